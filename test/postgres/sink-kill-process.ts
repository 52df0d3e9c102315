/**
 * Runs the pipeline on several workers and its sink, in this process or in one that is killed. As a program it sends records
 * without end, and prints how many rows it has written. Arguments: folder, address of the database, first number.
 */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { embedded, Producer, type Running, run } from 'aldebaran'
import { postgresSink } from 'aldebaran/postgres'
import { app, sent, squares } from './sink-kill-application.ts'

const WORKERS = 2
const AT_ONCE = 20
const PACE_MS = 2
const TABLE = `CREATE TABLE IF NOT EXISTS squares (station text NOT NULL, number integer NOT NULL, square double precision)`

export function runSquares(folder: string, url: string): Promise<Running> {
  const sink = postgresSink({
    name: 'squares',
    topic: squares,
    url,
    table: 'squares',
    mode: 'append',
    columns: {
      station: { type: 'text', from: ({ value }) => value.station },
      number: { type: 'integer', from: ({ value }) => value.number },
      square: { type: 'double precision', from: ({ value }) => value.square },
    },
    batch: { rows: 50, time: '5ms' },
    setup: async ({ query }) => void (await query(TABLE)),
  })
  return run(app, {
    log: embedded(join(folder, 'log'), { durability: 'process' }),
    entry: new URL('./sink-kill-application.ts', import.meta.url),
    workers: WORKERS,
    http: false,
    signals: false,
    report: () => {},
    sources: [sink],
  })
}

if (import.meta.main) {
  const [folder, url, first] = process.argv.slice(2) as [string, string, string]
  const running = await runSquares(folder, url)
  const producer = new Producer(running.log)
  for (let number = Number(first); ; number += AT_ONCE) {
    for (let i = number; i < number + AT_ONCE; i++) {
      const station = `station ${i % 10}`
      producer.send(sent, station, { station, number: i })
    }
    await producer.flush()
    await setTimeout(PACE_MS)
    process.stdout.write(`${running.sources[0]!.state().records}\n`)
  }
}
