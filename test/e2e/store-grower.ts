/** Writes to the store in the folder given, so that its file grows, until it is ended: see `store-growing.test.ts`. */
import { Producer, text, topic } from '../../src/index.ts'
import { openLog } from '../../src/log/host.ts'

// A parent that is gone ends nobody.
process.on('disconnect', () => process.exit(1))
const host = await openLog({ path: process.argv[2]!, durability: 'process', maxBytes: 64e9 })
const log = host.client()
const words = topic('words', { key: text(), value: text(), partitions: 1 })
await log.createTopic(words.name, words.options)
const producer = new Producer(log)
const value = 'x'.repeat(20_000)
for (let i = 0; ; i++) {
  for (let n = 0; n < 5; n++) producer.send(words, 'key', value)
  await producer.flush()
  if (i === 0) process.send!('writing')
}
