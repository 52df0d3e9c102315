/**
 * Enrichments without a program: WEBHOOKS_ENRICH is a JSON list, or the path of a file with one.
 *
 *     [{"types": ["invoice.*"], "key": "data.customer_id", "into": "data.customer", "expireAfter": "1m",
 *       "query": "select id::text as key, name, email from customers where id::text = any($1)"}]
 *
 * `query` asks the PostgreSQL at WEBHOOKS_ENRICH_URL, with the keys as a list of texts; `url` instead is sent
 * `{"keys": […]}` and answers `{"values": {key: value}}`; what it leaves out, or says null of, is not
 * there.
 */
import { readFileSync } from 'node:fs'
import { AldebaranError, DeliveryError, parseDuration } from 'aldebaran'
import { openPool, type PostgresPool } from 'aldebaran/postgres'
import { HttpSender } from 'aldebaran/webhooks'
import type { EnrichedEvent, Enrichment } from './enrichment.ts'

type Load = Enrichment['load']
type Source = Required<Pick<Enrichment, 'load' | 'close'>>

/** As an enrichment is written. */
interface Written extends Partial<Omit<Enrichment, 'key' | 'load' | 'close'>> {
  key?: unknown
  query?: unknown
  url?: unknown
  headers?: unknown
}

const DURATIONS = ['wait', 'expireAfter', 'staleWhile', 'missingExpireAfter', 'timeout'] as const
const FIELDS = [
  ...['types', 'key', 'into', 'missing', 'query', 'url', 'headers', 'batch', 'maxEntries', 'maxBytes'],
  ...DURATIONS,
]
const PATH = /^(?:account|type|timestamp|data(?:\.[\w-]{1,100})+)$/
/** Of a worker thread. */
const CONNECTIONS = 4
const LARGEST_ANSWER = '16MB'
/** Connections to a service, of a worker thread. */
const SERVICE_CONNECTIONS = 8

/**
 * @param text a JSON list, or the path of a file with one; '': none
 * @param url of the database for queries
 * @throws AldebaranError OPTION_INVALID
 */
export function parseEnrichments(text: string, url: string): Enrichment[] {
  if (text === '') return []
  const list = readList(text)
  const pool = new LazyPool(url)
  return list.map((written, index) => {
    if (typeof written !== 'object' || written === null || Array.isArray(written)) throw invalid(index, 'is no object')
    return enrichmentOf(written as Written, index, pool)
  })
}

function readList(text: string): unknown[] {
  let list: unknown
  try {
    list = JSON.parse(/^\s*\[/.test(text) ? text : readFileSync(text, 'utf8'))
  } catch (error) {
    // Not the text: a file may hold passwords.
    const problem = error instanceof SyntaxError ? 'is no JSON' : String((error as Error).message)
    throw new AldebaranError('OPTION_INVALID', `WEBHOOKS_ENRICH: ${problem}`, { option: 'WEBHOOKS_ENRICH' })
  }
  if (Array.isArray(list)) return list
  throw new AldebaranError('OPTION_INVALID', 'WEBHOOKS_ENRICH: is no list', { option: 'WEBHOOKS_ENRICH' })
}

function enrichmentOf(written: Written, index: number, pool: LazyPool): Enrichment {
  const { key, query, url, headers, into, types, ...cache } = written
  const unknown = Object.keys(written).find(name => !FIELDS.includes(name))
  if (unknown !== undefined) throw invalid(index, `has '${unknown}', which is none of ${FIELDS.join(', ')}`)
  if (typeof into !== 'string') throw invalid(index, "needs 'into', such as data.customer")
  if (types !== undefined && !(Array.isArray(types) && types.every(one => typeof one === 'string'))) {
    throw invalid(index, "'types' is a list of texts")
  }
  if ((query === undefined) === (url === undefined)) throw invalid(index, "has either 'query' or 'url'")
  const timeout = cache.timeout ?? '5s'
  for (const name of DURATIONS) if (cache[name] !== undefined) parseDuration(cache[name], `WEBHOOKS_ENRICH: ${name}`)
  const source =
    query === undefined ? serviceLoad(url, headers, timeout, index) : queryLoad(query, timeout, pool, index)
  return { ...cache, into, ...(types === undefined ? {} : { types }), key: keyReader(key, index), ...source }
}

/** A path, or several, whose values are joined by '/': what is unique within its account needs both. */
function keyReader(key: unknown, index: number): (event: EnrichedEvent) => string | undefined {
  const paths = Array.isArray(key) ? key : [key]
  if (paths.length === 0 || !paths.every(path => typeof path === 'string' && PATH.test(path))) {
    throw invalid(index, "needs 'key': account, type, timestamp or a path such as data.customer_id, or a list of these")
  }
  const split = paths.map((path: string) => path.split('.'))
  return event => {
    const parts = split.map(path => textAt(event, path))
    return parts.includes(undefined) ? undefined : parts.join('/')
  }
}

/** undefined: there is nothing, or nothing that is a key; a number that JSON cannot hold exactly would be another's. */
function textAt(event: EnrichedEvent, path: readonly string[]): string | undefined {
  let value: unknown = event
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

function queryLoad(query: unknown, timeout: string | number, pool: LazyPool, index: number): Source {
  if (typeof query !== 'string' || !query.includes('$1')) {
    throw invalid(
      index,
      "'query' has $1, the list of keys: select id::text as key, name from customers where id::text = any($1)",
    )
  }
  pool.needed(index, parseDuration(timeout, 'timeout'))
  const load: Load = async keys => {
    try {
      const rows = await pool.query(query, [keys])
      return new Map(rows.map(({ key, ...columns }) => [keyText(key), columns]))
    } catch (error) {
      // What PostgreSQL refuses may be the fault of one key; what passes by itself holds for all.
      if (error instanceof AldebaranError && error.fate === 'terminal') throw new DeliveryError('retry', error.message)
      throw error
    }
  }
  return { load, close: () => pool.close() }
}

function keyText(key: unknown): string {
  if (typeof key === 'string' || typeof key === 'number') return String(key)
  throw new DeliveryError('retry', "a row of the query has no text in a column named 'key'")
}

function serviceLoad(url: unknown, headers: unknown = {}, timeout: string | number, index: number): Source {
  const parsed = typeof url === 'string' ? URL.parse(url) : null
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    throw invalid(index, "'url' is no address by http: or https:")
  if (typeof headers !== 'object' || headers === null || !Object.values(headers).every(isText)) {
    throw invalid(index, "'headers' is an object of texts")
  }
  const pairs = ['content-type', 'application/json', 'accept', 'application/json', ...Object.entries(headers).flat()]
  const ms = parseDuration(timeout, 'timeout')
  // Made when it is needed: every thread builds the application, and few send.
  let sender: HttpSender | null = null
  const load: Load = async (keys, signal) => {
    sender ??= new HttpSender({
      // Whoever sets this up says where it goes.
      addresses: { http: true, ports: 'any', allow: [parsed.hostname.replace(/^\[(.*)\]$/, '$1')] },
      names: 'system',
      connections: SERVICE_CONNECTIONS,
      keptBody: LARGEST_ANSWER,
    })
    const body = JSON.stringify({ keys })
    const {
      status,
      failure,
      isCut,
      body: answer,
    } = await sender.post({ url: parsed.href, headers: pairs, body, timeout: ms, signal })
    const place = parsed.host
    if (failure !== null) throw new Error(`${place}: ${failure.message}`)
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      throw new DeliveryError('retry', `${place} answered ${status}`)
    }
    if (status < 200 || status > 299) throw new Error(`${place} answered ${status}`)
    if (isCut) throw new DeliveryError('retry', `${place} answered with more than ${LARGEST_ANSWER}`)
    return valuesIn(answer, place)
  }
  return { load, close: () => sender?.close() }
}

function valuesIn(answer: string, place: string): ReadonlyMap<string, unknown> {
  try {
    const { values } = JSON.parse(answer) as { values?: unknown }
    if (typeof values === 'object' && values !== null && !Array.isArray(values)) {
      return new Map(Object.entries(values).filter(([, value]) => value !== null))
    }
  } catch {
    // Told below.
  }
  throw new Error(`${place} answered without {"values": {…}}`)
}

/** One pool of a thread, for all queries, made with the first one. */
class LazyPool {
  readonly #url: string
  #statementMs = 0
  #opened: Promise<PostgresPool> | null = null

  constructor(url: string) {
    this.#url = url
  }

  /** @throws AldebaranError OPTION_INVALID */
  needed(index: number, statementMs: number): void {
    if (!/^postgres(?:ql)?:$/.test(URL.parse(this.#url)?.protocol ?? '')) {
      throw invalid(index, 'has a query: set WEBHOOKS_ENRICH_URL, such as postgres://user:password@127.0.0.1/shop')
    }
    this.#statementMs = Math.max(this.#statementMs, Math.ceil(statementMs), 1)
  }

  async query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]> {
    this.#opened ??= openPool(this.#url, {
      max: CONNECTIONS,
      applicationName: 'aldebaran webhooks',
      statementTimeout: this.#statementMs,
    })
    const pool = await this.#opened
    return await pool.query<Record<string, unknown>>(text, values)
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = null
    await (await opened)?.close()
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function invalid(index: number, problem: string): AldebaranError {
  const option = `WEBHOOKS_ENRICH[${index}]`
  return new AldebaranError('OPTION_INVALID', `${option}: ${problem}`, { option })
}
