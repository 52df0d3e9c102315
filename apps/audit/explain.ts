/**
 * The story of one order, from what the log and the book hold now: what was requested, what was bought and when, and
 * what was reported and why. The log forgets after its retention, the book after Δt: what is gone is told as gone.
 */
import { TOPICS } from './app.ts'
import type { AlertKind, BookState } from './rules.ts'

/** The part of an API client that is needed. Errors with `status` 404 mean that a thing is not there. */
export interface ReadApi {
  get<T>(path: string, query?: Record<string, string | number>): Promise<T>
}

export interface StoryEvent {
  /** When it was sent, ISO 8601. */
  time: string
  what: 'request' | 'purchase' | AlertKind
  shares: number
  /** Bought until then. */
  sum: number
  /** Of the purchase; empty for the others. */
  id: string
  stock: string
}

export interface Book {
  state: BookState
  requested: number
  purchased: number
  /** When the state ends, ISO 8601, or null. */
  until: string | null
}

export interface Story {
  id: string
  found: boolean
  sentences: string[]
  events: StoryEvent[]
  /** Null: there is none, or it is forgotten. */
  book: Book | null
}

/** A record of the API, with a value of one of the topics. */
interface Stored<V> {
  timestamp: number
  value: V | null
}

interface Request {
  shares: number
  client: string
  stock: string
  ts: number
}

interface Purchase {
  id: string | number
  shares: number
  stock: string
  ts: number
}

interface Alert {
  kind: AlertKind
  requested: number
  purchased: number
  ts: number
}

interface Found {
  requests: Request[]
  purchases: Purchase[]
  alerts: Alert[]
  book: Book | null
}

const PAGE = 1000

export async function explain(api: ReadApi, id: string): Promise<Story> {
  const [requests, purchases, alerts, book] = await Promise.all([
    recordsOf<Request>(api, TOPICS.requests, id),
    recordsOf<Purchase>(api, TOPICS.purchases, id),
    recordsOf<Alert>(api, TOPICS.alerts, id),
    bookOf(api, id),
  ])
  return tell(id, { requests, purchases, alerts, book })
}

/** Puts what was found into words. */
export function tell(id: string, { requests, purchases, alerts, book }: Found): Story {
  const bought = purchases.toSorted((a, b) => a.ts - b.ts)
  const request = requests[0] ?? null
  const sum = bought.reduce((total, purchase) => total + purchase.shares, 0)
  const found = request !== null || bought.length > 0 || alerts.length > 0 || book !== null
  const sentences = found
    ? [
        ...requestSentences(id, requests),
        purchaseSentence(request, bought.length, sum),
        ...alerts.map(alert => alertSentence(alert, bought)),
        ...(alerts.length === 0 ? ['Nothing was reported.'] : []),
        bookSentence(book),
      ]
    : [`Nothing is known of order ${id}: it was never seen, or it is older than the retention of the topics.`]
  return { id, found, sentences, events: eventsOf(request, bought, alerts), book }
}

function requestSentences(id: string, requests: readonly Request[]): string[] {
  const [first, ...others] = requests
  if (first === undefined) return [`No request for order ${id} is in the log.`]
  const { client, shares, stock, ts } = first
  const told = [`${client} requested ${shares} shares of ${stock} with order ${id} at ${timeOf(ts)}.`]
  if (others.length > 0) told.push(`${others.length} later requests for it were ignored: the first one counts.`)
  return told
}

function purchaseSentence(request: Request | null, purchases: number, sum: number): string {
  if (purchases === 0) return 'Nothing was bought for it.'
  const bought = `${sum} shares were bought in ${purchases === 1 ? 'one purchase' : `${purchases} purchases`}`
  if (request === null) return `${bought}, though nobody had asked for them.`
  const difference = sum - request.shares
  if (difference === 0) return `${bought}: exactly what was requested.`
  return `${bought}: ${Math.abs(difference)} ${difference > 0 ? 'more' : 'fewer'} than requested.`
}

function alertSentence(alert: Alert, bought: readonly Purchase[]): string {
  const { kind, requested, purchased, ts } = alert
  const cause = causeOf(alert, bought)
  const by = cause === undefined ? `at ${timeOf(ts)}` : `with purchase ${cause.id} at ${timeOf(ts)}`
  return kind === 'OVERBOUGHT'
    ? `Reported OVERBOUGHT: ${purchased} shares were bought and ${requested} requested; it was overstepped ${by}.`
    : `Reported NO_REQUEST: ${purchased} shares were bought, the first ${by}, and no request came in time.`
}

/** Purchases of one microsecond are told apart by the sum that the alert carries. */
function causeOf({ kind, purchased, ts }: Alert, bought: readonly Purchase[]): Purchase | undefined {
  if (kind === 'NO_REQUEST') return bought.find(purchase => purchase.ts === ts)
  let sum = 0
  const exact = bought.find(purchase => {
    sum += purchase.shares
    return sum === purchased && purchase.ts === ts
  })
  return exact ?? bought.findLast(purchase => purchase.ts === ts)
}

function bookSentence(book: Book | null): string {
  if (book === null) return 'There is no book of it now: it was forgotten after its time.'
  const until = book.until === null ? '' : ` until ${book.until}`
  switch (book.state) {
    case 'WAITING':
      return `Its book waits for the request${until}.`
    case 'OPEN':
      return `Its book is open${until}: ${book.purchased} of ${book.requested} shares.`
    case 'CLOSED':
      return `Its book is closed, and remembered${until}.`
  }
}

/** Everything in the order of time, with the sum after each purchase. An alert follows the purchase that it is about. */
function eventsOf(request: Request | null, bought: readonly Purchase[], alerts: readonly Alert[]): StoryEvent[] {
  const timed: (Omit<StoryEvent, 'sum' | 'time'> & { ts: number; rank: number })[] = [
    ...(request === null ? [] : [{ ...request, rank: 0, what: 'request' as const, id: '' }]),
    ...bought.map(purchase => ({ ...purchase, rank: 1, what: 'purchase' as const, id: String(purchase.id) })),
    ...alerts.map(alert => ({ ts: alert.ts, rank: 2, what: alert.kind, shares: alert.purchased, id: '', stock: '' })),
  ]
  let sum = 0
  return timed
    .sort((a, b) => a.ts - b.ts || a.rank - b.rank)
    .map(({ ts, what, shares, id, stock }) => {
      if (what === 'purchase') sum += shares
      return { time: timeOf(ts), what, shares, sum, id, stock }
    })
}

/** Every record of the key that the topic still has. */
async function recordsOf<V>(api: ReadApi, topic: string, key: string): Promise<V[]> {
  const found: V[] = []
  let from = 'earliest'
  for (let complete = false; !complete; ) {
    const page = await api.get<{ records: Stored<V>[]; next: string; complete: boolean }>(`/topics/${topic}/records`, {
      key,
      from,
      limit: PAGE,
    })
    for (const { value } of page.records) if (value !== null) found.push(value)
    complete = page.complete
    from = page.next
  }
  return found
}

async function bookOf(api: ReadApi, key: string): Promise<Book | null> {
  try {
    const { fields, timers } = await api.get<{ fields: Omit<Book, 'until'>; timers: { close?: number } }>(
      `/tables/audit/books/rows/${encodeURIComponent(key)}`,
    )
    const { state, requested, purchased } = fields
    return { state, requested, purchased, until: timers.close === undefined ? null : timeOf(timers.close * 1000) }
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'status' in error && error.status === 404) return null
    throw error
  }
}

/** @param ts microseconds since 1970 */
function timeOf(ts: number): string {
  const time = new Date(ts / 1000)
  return Number.isNaN(time.getTime()) ? String(ts) : time.toISOString()
}
