/** The weather platform as `aldebaran run` starts it: several processes, with a broker and a PostgreSQL of their own. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Producer, subscribe } from 'aldebaran'
import { Client } from 'pg'
import type { Weather } from '../../apps/weather/app.ts'
import { weatherFromEnvironment } from '../../apps/weather/environment.ts'
import type { Forecast, Reading } from '../../apps/weather/schemas.ts'
import type { Log } from '../../src/log/contract.ts'
import { type KafkaHost, openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import type { SourceState } from '../../src/runtime/source-state.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import type { KafkaCluster } from '../servers/kafka-cluster.ts'
import { postgresServer } from '../servers/postgres.ts'
import type { PostgresServer } from '../servers/postgres-process.ts'
import { ended, listening, spawnCommand } from './command-line.ts'
import { inOrder } from './weather-expected.ts'

const ENTRY = join(import.meta.dirname, '../../apps/weather/entry.ts')
const LOOK_MS = 50

/** Every row that is written, in the order of the transactions that have the lock of the sink, and by which session. */
const WATCH = `CREATE TABLE writes (number bigserial, session integer NOT NULL DEFAULT pg_backend_pid(),
    change text NOT NULL, city text NOT NULL, window_start timestamptz NOT NULL);
  CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO writes (change, city, window_start) VALUES (TG_OP, NEW.city, NEW.window_start); RETURN NULL; END $$;
  CREATE TRIGGER note_write AFTER INSERT OR UPDATE ON forecasts FOR EACH ROW EXECUTE FUNCTION note_write()`
const ROWS = `SELECT city, (extract(epoch FROM window_start) * 1000)::float8 AS "windowStart",
    (extract(epoch FROM window_end) * 1000)::float8 AS "windowEnd", heat_index AS "heatIndex", temperature, humidity,
    readings, rolling_heat_index AS "rollingHeatIndex", timing
  FROM forecasts`

export interface CityAnswer {
  etag: string | null
  // biome-ignore lint/suspicious/noExplicitAny: answers of several shapes, which the tests look into
  body: any
}

export class WeatherNodes implements AsyncDisposable {
  readonly weather: Weather
  readonly database: PostgresServer
  readonly bootstrap: string
  /** Of a client that is none of the application. */
  readonly log: Log
  readonly #broker: KafkaCluster
  readonly #outside: KafkaHost
  readonly #producer: Producer
  readonly #folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-nodes-'))
  readonly #environment: NodeJS.ProcessEnv
  readonly #nodes = new Map<string, { child: ChildProcess; url: string }>()

  private constructor(
    broker: KafkaCluster,
    database: PostgresServer,
    outside: KafkaHost,
    environment: NodeJS.ProcessEnv,
  ) {
    this.#broker = broker
    this.bootstrap = broker.bootstrap
    this.database = database
    this.#outside = outside
    this.log = outside.client()
    this.#producer = new Producer(this.log)
    this.#environment = { ...environment, WEATHER_DATABASE_URL: database.url }
    this.weather = weatherFromEnvironment(environment)
  }

  /** The names of its topics are fixed, so the broker is its own. */
  static async begin(environment: NodeJS.ProcessEnv): Promise<WeatherNodes> {
    const [broker, database] = await Promise.all([kafkaBroker({}), postgresServer()])
    const { bootstrap } = parseKafkaLocation(`kafka://${broker.bootstrap}`, {})
    return new WeatherNodes(broker, database, await openKafka({ bootstrap, node: 'outside' }), environment)
  }

  get names(): string[] {
    return [...this.#nodes.keys()]
  }

  async start(name: string): Promise<void> {
    const log = `kafka://${this.bootstrap}?node=${name}&state=${join(this.#folder, name)}`
    const child = spawnCommand(['run', ENTRY, '--log', log, '--port', '0', '--workers', '1'], this.#environment)
    this.#nodes.set(name, { child, url: '' })
    this.#nodes.set(name, { child, url: await listening(child) })
  }

  async kill(name: string): Promise<void> {
    const { child } = this.#nodes.get(name)!
    this.#nodes.delete(name)
    await ended(child, 'SIGKILL')
  }

  /** Resolves when the broker has them. */
  async send(readings: readonly Reading[]): Promise<void> {
    for (const reading of readings) this.#producer.send(this.weather.readings, reading.city, reading)
    await this.#producer.flush()
  }

  /** `path`: behind /weather. Null: the node is not ready to answer yet. */
  async ask(node: string, path: string): Promise<CityAnswer | null> {
    const response = await fetch(`${this.#nodes.get(node)!.url}/weather/${path}`)
    const body = await response.json()
    if (response.status === 503) return null
    assert.equal(response.status, 200, `${path} at ${node}: ${JSON.stringify(body)}`)
    return { etag: response.headers.get('etag'), body }
  }

  /** Of its sink. What was gathered as the node started may lack it. */
  async sink(node: string): Promise<SourceState> {
    for (;;) {
      const response = await fetch(`${this.#nodes.get(node)!.url}/stats`)
      const { applications } = (await response.json()) as { applications: { sources: SourceState[] }[] }
      const [found] = applications[0]!.sources
      if (found !== undefined) return found
      await setTimeout(LOOK_MS)
    }
  }

  /** The node that writes to PostgreSQL. */
  async writer(): Promise<string> {
    for (;;) {
      for (const name of this.names) if ((await this.sink(name)).status === 'running') return name
      await setTimeout(LOOK_MS)
    }
  }

  /** From now on every row that is written leaves a trace. To be called when there is a writer. */
  async watchWrites(): Promise<void> {
    await this.query(WATCH)
  }

  /** By city and time. */
  async rows(): Promise<Forecast[]> {
    return (await this.query<Forecast>(ROWS)).sort(inOrder)
  }

  async query<R extends object>(statement: string): Promise<R[]> {
    const client = new Client({ connectionString: this.database.url })
    await client.connect()
    try {
      return (await client.query<R>(statement)).rows
    } finally {
      await client.end()
    }
  }

  /** The forecasts as they lie in their topic, all that there are now; by city and time. */
  async forecasts(): Promise<Forecast[]> {
    const found: Forecast[] = []
    const stop = new AbortController()
    const options = { from: 'earliest', signal: stop.signal, onCaughtUp: () => stop.abort() } as const
    for await (const { value } of subscribe(this.log, this.weather.forecasts, options)) found.push(value!)
    return found.toSorted(inOrder)
  }

  /** Where a topic ends, all partitions together. */
  async end(topic: string): Promise<number> {
    const found = (await this.log.partitionsOf([topic])).get(topic) ?? []
    return found.reduce((sum, { end }) => sum + end, 0)
  }

  /** Resolves when it holds. */
  async until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) await setTimeout(LOOK_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#nodes.values()) await ended(child, 'SIGKILL')
    await this.#outside.close()
    await Promise.all([this.#broker.end(), this.database.end()])
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
