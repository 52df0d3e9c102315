/** The second process of the follow test: prints what it reads, until there is a topic "end". */
import { batchOf, readAll } from '../../../test/contract/log-data.ts'
import { openLog } from '../host.ts'

const print = (line: string): boolean => process.stdout.write(`${line}\n`)

const host = await openLog({ path: process.argv[2]!, readOnly: true })
const log = host.client()
const reader = log.reader('t', 0, 'earliest')
for (const line of readAll(reader)) print(line)
const refused = log.commit({ appends: [{ topic: 't', partition: 0, batch: batchOf(['no']) }] })
await refused.catch((error: { code: string }) => print(error.code))
while (log.topic('end') === undefined) {
  log.wait(600_000)
  for (const line of readAll(reader)) print(line)
}
print('ended')
await host.close()
