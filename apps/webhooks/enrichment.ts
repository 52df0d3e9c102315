/**
 * What an event is given beside its own data: looked up when it is sent, before it is signed.
 *
 * 1. It is looked up with each try, so a retry says how things are then: under one id bodies may differ.
 * 2. Nothing of the payload changes but what is at `into`; numbers keep the digits that they came with.
 * 3. No request is sent without what could not be looked up. A source that is down uses up no try, and tells nothing of
 *    the endpoint: `throttle`. What it refuses for one key is tried again by the schedule, as it may never come right: it
 *    would stand before all others of its endpoint for ever.
 */
import { AldebaranError, type Attempt, DeliveryError, Lookup, type LookupSettings, parseDuration } from 'aldebaran'
import { FILTER, LARGEST_PAYLOAD } from './event-rules.ts'
import type { LookupDetail, SendDetail } from './sending.ts'

/** An event as the key is read from it. */
export interface EnrichedEvent {
  readonly account: string
  readonly type: string
  readonly timestamp: string
  readonly data: unknown
}

type CacheSettings = Pick<
  LookupSettings<string, unknown>,
  'batch' | 'wait' | 'expireAfter' | 'staleWhile' | 'missingExpireAfter' | 'maxEntries' | 'maxBytes' | 'timeout'
>

export interface Enrichment extends CacheSettings {
  /** Events of which types: 'invoice.paid', 'invoice.*' or '*'. Default: all. */
  types?: readonly string[]
  /** What is looked up for an event; undefined: nothing, and it is sent as it is. */
  key: (event: EnrichedEvent) => string | undefined
  /**
   * The values of some keys, as JSON takes them. A DeliveryError says that they are refused: they are then loaded apart,
   * and its fate is that of the event whose key it is. Any other error says that the source is down: events wait.
   */
  load: (keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, unknown>>
  /** Gives back what `load` keeps open. */
  close?: () => unknown
  /** Where the value goes, in `data`: 'data.customer'. What is there is replaced. */
  into: string
  /** Of a key under which there is nothing: `leave` sends the event as it is, `reject` gives it up. Default 'leave'. */
  missing?: 'leave' | 'reject'
}

/** What tries count. */
export const LOOKUP_COUNTERS = ['lookup_hits', 'lookup_misses', 'lookup_failures'] as const

interface Found {
  readonly value: unknown
  /** As JSON, about. */
  readonly bytes: number
}

export interface Enriched {
  readonly body: Uint8Array
  /** Null: nothing was looked up. */
  readonly lookups: LookupDetail | null
}

interface Step {
  readonly enrichment: Enrichment
  readonly lookup: Lookup<string, Found>
  /** Of `into`, without `data`. */
  readonly path: readonly string[]
}

/** Of each enrichment and worker thread. */
const MAX_BYTES = '16MB'
const MOST_REMEMBERED = 1000
const NAME = /^(?!__proto__$)[\w-]{1,100}$/

export class Enricher {
  readonly #steps: readonly Step[]
  readonly #ofTypes = new Map<string, readonly Step[]>()

  /** @throws AldebaranError OPTION_INVALID */
  constructor(enrichments: readonly Enrichment[]) {
    this.#steps = enrichments.map(stepOf)
    const places = enrichments.map(({ into }) => into)
    const outer = places.find(place => places.some(other => other.startsWith(`${place}.`)))
    if (outer !== undefined) throw invalid('into', `'${outer}' holds the place of another enrichment`)
  }

  /** How long `enrich` may take, ms. */
  static longestMs(enrichments: readonly Enrichment[]): number {
    const durations = enrichments.map(
      ({ wait = '2ms', timeout = '5s' }) => parseDuration(wait, 'wait') + parseDuration(timeout, 'timeout'),
    )
    return Math.max(0, ...durations)
  }

  /** Those that events of a type get. */
  of(type: string): readonly Step[] {
    let steps = this.#ofTypes.get(type)
    if (steps !== undefined) return steps
    steps = this.#steps.filter(({ enrichment: { types = ['*'] } }) => types.some(filter => isOf(type, filter)))
    if (this.#ofTypes.size >= MOST_REMEMBERED) this.#ofTypes.clear()
    this.#ofTypes.set(type, steps)
    return steps
  }

  /**
   * The payload with what was looked up; as it is, if there is nothing to look up.
   * @throws DeliveryError throttle, retry, reject, or the fate that `load` says
   */
  async enrich(steps: readonly Step[], payload: Uint8Array, type: string, attempt: Attempt): Promise<Enriched> {
    const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString()
    const event = eventOf(text, type, attempt)
    if (event === null) return { body: payload, lookups: null }
    const begun = performance.now()
    const counted = { hits: 0, misses: 0 }
    const found = await Promise.all(steps.map(step => lookedUp(step, event, attempt, counted)))
    const { hits, misses } = counted
    const ms = Math.round((performance.now() - begun) * 10) / 10
    const lookups = hits + misses === 0 ? null : { hits, misses, ms }
    if (found.every(value => value === undefined)) return { body: payload, lookups }
    const whole: unknown = JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown)
    steps.forEach(({ path, enrichment }, i) => {
      if (found[i] === undefined || put(whole, path, found[i])) return
      if (enrichment.missing === 'reject') throw rejected(`${enrichment.into} has no place in it`, type)
    })
    return { body: bytesOf(whole, type), lookups }
  }

  /** Nothing is looked up any more, and what that kept open is given back. */
  async close(): Promise<void> {
    for (const { lookup } of this.#steps) lookup.close()
    await Promise.all(this.#steps.map(({ enrichment }) => enrichment.close?.()))
  }
}

function stepOf(enrichment: Enrichment): Step {
  const { types = ['*'], into, missing = 'leave', load, maxBytes = MAX_BYTES } = enrichment
  const [first, ...path] = into.split('.')
  if (first !== 'data' || path.length === 0 || !path.every(name => NAME.test(name))) {
    throw invalid('into', `'${into}' is no place in the data, such as data.customer`)
  }
  const filter = types.find(one => !FILTER.test(one))
  if (types.length === 0 || filter !== undefined) {
    throw invalid('types', `'${filter ?? ''}' is no type, beginning of types with .*, or *`)
  }
  if (missing !== 'leave' && missing !== 'reject') throw invalid('missing', `'${missing}' is neither leave nor reject`)
  const lookup = new Lookup<string, Found>({
    ...enrichment,
    maxBytes,
    sizeOf: ({ bytes }) => bytes,
    load: (keys, signal) => loadApart(load, keys, signal),
  })
  return { enrichment, lookup, path }
}

/** One key that is refused must not fail the others of its batch. */
async function loadApart(
  load: Enrichment['load'],
  keys: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Found | Error>> {
  try {
    const values = await load(keys, signal)
    if (!(values instanceof Map)) throw new Error('the answer is no Map')
    const found = new Map<string, Found | Error>()
    for (const [key, value] of values) if (value !== undefined) found.set(key, foundOf(value))
    return found
  } catch (error) {
    if (!(error instanceof DeliveryError) || signal.aborted) throw error
    if (keys.length === 1) return new Map([[keys[0]!, error]])
    const middle = keys.length >> 1
    const before = await loadApart(load, keys.slice(0, middle), signal)
    return new Map([...before, ...(await loadApart(load, keys.slice(middle), signal))])
  }
}

function foundOf(value: unknown): Found | Error {
  if (value instanceof DeliveryError) return value
  if (value instanceof Error) return new DeliveryError('retry', value.message)
  try {
    const json: string | undefined = JSON.stringify(value)
    if (json !== undefined) return { value, bytes: json.length }
  } catch {
    // Told below.
  }
  return new DeliveryError('retry', 'what was found is no JSON')
}

/** undefined: there is nothing to be put in. */
async function lookedUp(
  { enrichment, lookup }: Step,
  event: EnrichedEvent,
  attempt: Attempt,
  counted: { hits: number; misses: number },
): Promise<unknown> {
  const { key: keyOf, into, missing } = enrichment
  let key: string | undefined
  try {
    key = keyOf(event)
  } catch (error) {
    throw rejected(`the key of ${into} could not be told: ${messageOf(error)}`, event.type)
  }
  if (typeof key !== 'string' || key === '') return undefined
  let found: Found | undefined
  try {
    const { hits } = lookup.counters
    const answer = lookup.get(key, attempt.signal)
    const how = lookup.counters.hits > hits ? 'hits' : 'misses'
    counted[how]++
    attempt.count(`lookup_${how}`)
    found = await answer
  } catch (error) {
    attempt.count('lookup_failures')
    const cause = error instanceof Error ? error.cause : undefined
    const fate = cause instanceof DeliveryError ? cause.fate : 'throttle'
    const retryAfter = cause instanceof DeliveryError ? cause.retryAfter : 0
    throw new DeliveryError(fate, `not sent, without ${into}: ${messageOf(error)}`, {
      retryAfter,
      detail: detailOf(event.type),
      blameless: true,
    })
  }
  if (found === undefined && missing === 'reject') throw rejected(`there is no ${into} under '${key}'`, event.type)
  return found?.value
}

/** Null: it is no JSON object, and is sent as it is. */
function eventOf(text: string, type: string, { tenant, timestamp: at }: Attempt): EnrichedEvent | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return null
  }
  if (!isObject(parsed)) return null
  const { timestamp, data } = parsed
  return {
    account: tenant,
    type,
    timestamp: typeof timestamp === 'string' ? timestamp : new Date(at).toISOString(),
    data,
  }
}

/** False: what is there on the way holds nothing. */
function put(payload: unknown, path: readonly string[], value: unknown): boolean {
  let place = payload as Record<string, unknown>
  for (const name of ['data', ...path.slice(0, -1)]) {
    if (!Object.hasOwn(place, name)) place[name] = {}
    const next = place[name]
    if (!isObject(next)) return false
    place = next
  }
  place[path.at(-1)!] = value
  return true
}

function bytesOf(payload: unknown, type: string): Uint8Array {
  const body = Buffer.from(JSON.stringify(payload))
  if (body.length <= LARGEST_PAYLOAD) return body
  throw rejected(`with what was looked up it has ${body.length} bytes, and may have ${LARGEST_PAYLOAD}`, type)
}

const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }

/** For JSON.parse: a number that would be written otherwise, or less exactly, than it came is kept as its text. */
function exactNumber(_: string, value: unknown, { source }: { source: string }): unknown {
  return typeof value === 'number' && String(value) !== source ? rawJSON(source) : value
}

function isOf(type: string, filter: string): boolean {
  return filter.endsWith('*') ? type.startsWith(filter.slice(0, -1)) : type === filter
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function rejected(reason: string, type: string): DeliveryError {
  return new DeliveryError('reject', `not sent: ${reason}`, { detail: detailOf(type), blameless: true })
}

/** For the record of the try. */
function detailOf(type: string): Pick<SendDetail, 'type' | 'status'> {
  return { type, status: 0 }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function invalid(option: string, problem: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `enrich: ${option}: ${problem}`, { option: `enrich.${option}` })
}
