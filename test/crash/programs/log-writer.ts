/**
 * Writes units without end, and prints the number of each that was committed. A unit has a record in two topics, a
 * position and a row, which all say its number.
 */
import { openLog } from '../../../src/log/host.ts'
import { batchOf } from '../../contract/log-data.ts'

const [path, durability, first] = process.argv.slice(2)
const host = await openLog({ path: path!, durability: durability as 'process' | 'disk', maxBytes: 256 * 1024 * 1024 })
const log = host.client()
await log.createTopic('left', { partitions: 1 })
await log.createTopic('right', { partitions: 1 })

let next = Number(first)
let inFlight = 0
function fill(): void {
  while (inFlight < 4) {
    const unit = next++
    const text = `unit ${unit} `.padEnd(100 + ((unit * 6151) % 40_000), '.')
    const batch = batchOf([text])
    inFlight++
    log.submit(
      {
        appends: ['left', 'right'].map(topic => ({ topic, partition: 0, batch })),
        positions: [{ group: 'writer', topic: 'left', partition: 0, offset: unit + 1, metadata: '' }],
        tables: [{ table: 'units', key: Buffer.from('last'), value: Buffer.from(String(unit)) }],
      },
      error => {
        if (error !== null) throw error
        inFlight--
        process.stdout.write(`${unit}\n`)
        fill()
      },
    )
  }
}
fill()
