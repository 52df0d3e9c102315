/** The weather platform as a load test finds it, over HTTP. */
import { AldebaranError } from 'aldebaran'
import { JOB, TOPICS } from '../app.ts'

/** What is used of the HTTP API. */
export interface LoadApi {
  readonly url: string
  /** What each request must carry. */
  readonly headers: Readonly<Record<string, string>>
  get<T>(path: string, query?: Readonly<Record<string, string | number>>): Promise<T>
  /** Server-sent events, until the server or the signal ends them. */
  events(path: string, query: Readonly<Record<string, string>>): AsyncIterable<{ event: string; data: string }>
}

export type Positions = Map<number, number>

/** Where the platform was when the test began. */
export interface Platform {
  /** The name of the application. */
  application: string
  forecasts: Positions
  late: Positions
  /** Of the newest dead letter; −1: there is none. */
  newestLetter: number
}

interface Reader {
  application: string
  pipeline: string | null
  topic: string
  lag: number
}

/**
 * @throws AldebaranError APPLICATION_OTHER when it is not the weather platform that runs there; what the API throws when
 * nobody listens, or credentials are needed
 */
export async function findPlatform(api: LoadApi): Promise<Platform> {
  const { lag } = await api.get<{ lag: Reader[] }>('/lag')
  const reader = lag.find(one => one.pipeline === JOB && one.topic === TOPICS.readings)
  if (reader === undefined) {
    const message = `what runs at ${api.url} is not the weather platform: no pipeline ${JOB} reads ${TOPICS.readings} there`
    throw new AldebaranError('APPLICATION_OTHER', message, { url: api.url })
  }
  const { application } = reader
  const [forecasts, late, { letters }] = await Promise.all([
    endsOf(api, TOPICS.forecasts),
    endsOf(api, TOPICS.late),
    api.get<{ letters: { offset: number }[] }>('/dead-letters', { application, limit: 1 }),
  ])
  return { application, forecasts, late, newestLetter: letters[0]?.offset ?? -1 }
}

/** Readings that the pipeline has not processed yet. */
export async function lagOf(api: LoadApi): Promise<number> {
  const { lag } = await api.get<{ lag: Reader[] }>('/lag')
  return lag.reduce((sum, one) => (one.pipeline === JOB ? sum + one.lag : sum), 0)
}

async function endsOf(api: LoadApi, topic: string): Promise<Positions> {
  const { partitionList } = await api.get<{ partitionList: { partition: number; end: number }[] }>(`/topics/${topic}`)
  return new Map(partitionList.map(({ partition, end }) => [partition, end]))
}
