/** A sink that runs in an application on the embedded log, and a database to look into. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, Producer, type Running, run, type Source, type SourceState, subscribe } from 'aldebaran'
import { postgresSink, type SinkColumns, type SinkSettings } from 'aldebaran/postgres'
import { Client } from 'pg'
import { app, measurements } from './sink-application.ts'

export interface Measurement {
  station: string
  number: number
  at: number
  level: number | null
}

type Settings = Partial<SinkSettings<string, Measurement>> & Pick<SinkSettings<string, Measurement>, 'mode'>

export const COLUMNS: SinkColumns<string, Measurement> = {
  station: { type: 'text' },
  number: { type: 'integer' },
  at: { type: 'timestamptz' },
  level: { type: 'double precision' },
}
export const TABLE = `CREATE TABLE IF NOT EXISTS measurements
  (station text NOT NULL, number integer NOT NULL, at timestamptz NOT NULL, level double precision)`

export function sinkOf(settings: Settings): Source {
  return postgresSink<string, Measurement>({
    name: 'gauges',
    topic: measurements as never,
    table: 'measurements',
    columns: COLUMNS,
    batch: { time: '20ms' },
    ...settings,
  })
}

export class SinkScene {
  readonly folder: string
  running!: Running

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open(...sources: Source[]): Promise<SinkScene> {
    return await SinkScene.openIn(mkdtempSync(join(tmpdir(), 'aldebaran-sink-')), ...sources)
  }

  static async openIn(folder: string, ...sources: Source[]): Promise<SinkScene> {
    const scene = new SinkScene(folder)
    await scene.start(...sources)
    return scene
  }

  async start(...sources: Source[]): Promise<void> {
    this.running = await run(app, {
      log: embedded(join(this.folder, 'log'), { durability: 'process' }),
      entry: new URL('./sink-application.ts', import.meta.url),
      http: { port: 0, tokens: [] },
      signals: false,
      report: () => {},
      sources,
    })
  }

  /** Each with its own number, from `first` on; a station is one of ten. */
  async send(first: number, count: number, more: (number: number) => Partial<Measurement> = () => ({})): Promise<void> {
    const producer = new Producer(this.running.log)
    for (let number = first; number < first + count; number++) {
      const station = `station ${number % 10}`
      const value = { station, number, at: 1_700_000_000_000 + number * 1000, level: number / 4, ...more(number) }
      producer.send(measurements, value.station, value)
    }
    await producer.flush()
  }

  state(at = 0): SourceState {
    return this.running.sources[at]!.state()
  }

  async until(test: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await test())) await new Promise(resolve => setTimeout(resolve, 10))
  }

  drained(): Promise<void> {
    return this.until(() => this.state().lag === 0)
  }

  /** Dead letters, as many as there are to be. */
  async letters(count: number): Promise<{ headers: Record<string, string>; key: string | null; value: Buffer }[]> {
    const letters = []
    if (count === 0) return []
    for await (const { key, value, headers } of subscribe(this.running.log, app.deadLetters, { from: 'earliest' })) {
      letters.push({
        key: key === null ? null : Buffer.from(key).toString(),
        value: Buffer.from(value ?? []),
        headers: Object.fromEntries(headers.map(one => [one.key, Buffer.from(one.value ?? []).toString()])),
      })
      if (letters.length === count) break
    }
    return letters
  }

  async close(): Promise<void> {
    await this.running.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Rows of one statement, on a connection of its own. */
export async function rowsOf<R extends object>(url: string, statement: string): Promise<R[]> {
  const client = new Client({ connectionString: url })
  // Connections are meant to be lost here.
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<R>(statement)).rows
  } finally {
    await client.end().catch(() => {})
  }
}
