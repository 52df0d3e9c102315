/** The weather platform as `aldebaran run` starts it: several processes, with a broker and a PostgreSQL of their own. */
import assert from 'node:assert/strict'
import { Producer, subscribe } from 'aldebaran'
import { Client } from 'pg'
import type { Weather } from '../../apps/weather/app.ts'
import { weatherFromEnvironment } from '../../apps/weather/environment.ts'
import type { Forecast, Reading } from '../../apps/weather/schemas.ts'
import type { Log } from '../../src/log/contract.ts'
import type { SourceState } from '../../src/runtime/source-state.ts'
import { postgresServer } from '../servers/postgres.ts'
import type { PostgresServer } from '../servers/postgres-process.ts'
import { CommandNodes } from './command-nodes.ts'
import { OwnBroker } from './own-broker.ts'
import { inOrder } from './weather-expected.ts'

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

export class WeatherNodes extends CommandNodes {
  readonly weather: Weather
  readonly database: PostgresServer
  /** Of a client that is none of the application. */
  readonly log: Log
  protected readonly environment: NodeJS.ProcessEnv
  readonly #broker: OwnBroker
  readonly #producer: Producer

  private constructor(broker: OwnBroker, database: PostgresServer, environment: NodeJS.ProcessEnv) {
    super('weather', broker.bootstrap)
    this.#broker = broker
    this.database = database
    this.log = broker.log
    this.#producer = new Producer(this.log)
    this.environment = { ...environment, WEATHER_DATABASE_URL: database.url }
    this.weather = weatherFromEnvironment(environment)
  }

  static async begin(environment: NodeJS.ProcessEnv): Promise<WeatherNodes> {
    const [broker, database] = await Promise.all([OwnBroker.begin(), postgresServer()])
    return new WeatherNodes(broker, database, environment)
  }

  /** Resolves when the broker has them. */
  async send(readings: readonly Reading[]): Promise<void> {
    for (const reading of readings) this.#producer.send(this.weather.readings, reading.city, reading)
    await this.#producer.flush()
  }

  /** `path`: behind /weather. Null: the node is not ready to answer yet. */
  async ask(node: string, path: string): Promise<CityAnswer | null> {
    const response = await fetch(`${this.urlOf(node)}/weather/${path}`)
    const body = await response.json()
    if (response.status === 503) return null
    assert.equal(response.status, 200, `${path} at ${node}: ${JSON.stringify(body)}`)
    return { etag: response.headers.get('etag'), body }
  }

  /** Of its sink. What was gathered as the node started may lack it. */
  async sink(node: string): Promise<SourceState> {
    let found: SourceState | undefined
    await this.until(async () => {
      const response = await fetch(`${this.urlOf(node)}/stats`)
      const { applications } = (await response.json()) as { applications: { sources: SourceState[] }[] }
      found = applications[0]!.sources[0]
      return found !== undefined
    })
    return found!
  }

  /** The node that writes to PostgreSQL. */
  async writer(): Promise<string> {
    let found: string | undefined
    await this.until(async () => {
      const states = await Promise.all(this.names.map(name => this.sink(name)))
      found = this.names[states.findIndex(({ status }) => status === 'running')]
      return found !== undefined
    })
    return found!
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

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    await Promise.all([this.#broker[Symbol.asyncDispose](), this.database.end()])
  }
}
