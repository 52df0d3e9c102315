/** A thread that reads, submits units, and ends at once without a word. */
import { workerData } from 'node:worker_threads'
import { batchOf } from '../../../test/contract/log-data.ts'
import { connectLog, type LogAddress } from '../client.ts'

const log = connectLog(workerData as LogAddress)
log.reader('t', 0, 'earliest').poll(1)
const batch = batchOf(['x'.repeat(100_000)])
for (let unit = 0; unit < 20; unit++) log.submit({ appends: [{ topic: 't', partition: 0, batch }] }, () => {})
process.exit(1)
