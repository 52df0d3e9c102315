/** Fills the disk of the folder it is given, makes room by a trim, goes on, and prints what happened as one JSON line. */
import type { AldebaranError } from '../../../src/errors.ts'
import { openLog } from '../../../src/log/host.ts'
import { batchOf, readAll } from '../../contract/log-data.ts'

const path = process.argv[2]!
const options = { path, durability: 'disk', maxBytes: 64 * 1024 * 1024 } as const
const appends = [{ topic: 't', partition: 0, batch: batchOf(['x'.repeat(50_000)]) }]
const host = await openLog(options)
const log = host.client()
await log.createTopic('t', { partitions: 1 })
let refused = ''
while (refused === '') {
  await log.commit({ appends }).catch((error: AldebaranError) => {
    refused = error.code
  })
}
const { end } = log.partition('t', 0)
await log.commit({ trims: [{ topic: 't', partition: 0, before: end - 10 }] })
for (let i = 0; i < 20; i++) await log.commit({ appends })
await host.close()
const again = await openLog(options)
const read = readAll(again.client().reader('t', 0, 'earliest')).length
await again.close()
process.stdout.write(JSON.stringify({ refused, full: end > 100, read }))
