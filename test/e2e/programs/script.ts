// biome-ignore-all lint/suspicious/noConsole: what handlers print is what is looked at
/** A program as a user writes it: everything in one file, and `run` in the middle. */
import { setTimeout } from 'node:timers/promises'
import { application, embedded, Producer, pipeline, run, text, topic } from '../../../src/index.ts'

const words = topic('words', { key: text(), value: text(), partitions: 2 })
const shout = pipeline('shout')
shout.from(words).each(word => {
  console.log(`handled ${word}`)
})
const [folder = '', kind = ''] = process.argv.slice(2)
const app = application('script', { pipelines: [shout] })

async function main(): Promise<void> {
  // What a program looks up before it can start.
  await setTimeout(1)
  const running = await run(app, {
    log: embedded(folder, { durability: 'process' }),
    workers: 2,
    http: false,
    logLevel: 'warn',
  })
  console.log(`runs in ${running.workers.length} workers`)
  const producer = new Producer(running.log)
  for (const word of ['a', 'd']) producer.send(words, word, word)
  await producer.flush()
  if (kind === 'stops') {
    while (running.log.positions('script.shout').length < 2) await setTimeout(2)
    await running.stop()
  }
  if (kind === 'writes for ever') {
    console.log('writes')
    for (;;) {
      producer.send(words, 'a', 'more')
      await producer.flush()
    }
  }
  console.log('script ends')
}

if (kind === 'does not wait') void main()
else await main()
