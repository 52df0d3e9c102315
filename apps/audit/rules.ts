/**
 * The rules of a book: what the auditor knows of one order, and when that is an alert.
 *
 *     (no book) ── purchase ─► WAITING ── Δt after the first purchase: NO_REQUEST ─► CLOSED ── Δt ─► (no book)
 *         │                       │                                                    ▲
 *         │                    request                                                 │
 *         └────── request ─────► OPEN ── purchased > requested: OVERBOUGHT ────────────┘
 *                                 └───── Δt after the request ─► (no book)
 *
 * 1. A book raises at most one alert, and a CLOSED book none.
 * 2. OVERBOUGHT needs purchased > requested strictly, and the request; whichever message completes that raises it.
 * 3. `close` is the deadline of the state the book is in, ms since 1970; a book always has one. 0 is none, so
 *    `now + delta` must be positive.
 * 4. A request for an OPEN or CLOSED book, and a purchase for a CLOSED one, change nothing.
 * 5. Shares are whole, 1 to 2^31 − 1. Totals hold 2^53 − 1 and stay there rather than wrap: an order so large is
 *    overbought whatever was requested.
 *
 * Times come from the caller: `now` and `delta` in ms of the wall clock, `ts` as the messages have them.
 */
import { AldebaranError } from 'aldebaran'

export const ALERT_KINDS = ['OVERBOUGHT', 'NO_REQUEST'] as const
export type AlertKind = (typeof ALERT_KINDS)[number]

/** WAITING is first: it is what the row of an unknown order reads as. */
export const BOOK_STATES = ['WAITING', 'OPEN', 'CLOSED'] as const
export type BookState = (typeof BOOK_STATES)[number]

export const MAX_SHARES = 2 ** 31 - 1

/** The row of a book; {@link newBook} is one. */
export interface BookRow {
  state: BookState
  requested: number
  purchased: number
  /** `ts` of the first purchase. */
  firstTs: number
  /** `ts` of the latest purchase. */
  lastTs: number
  /** Deadline of the state, ms since 1970; 0 before the first message. */
  close: number
  client: string
  stock: string
}

/** As the row of an unknown order reads: all zero values. */
export function newBook(): BookRow {
  return { state: 'WAITING', requested: 0, purchased: 0, firstTs: 0, lastTs: 0, close: 0, client: '', stock: '' }
}

/**
 * A request came. Returns the alert it completes, or null.
 * @throws AldebaranError VALUE_INVALID when the shares are not 1 to 2^31 − 1; the book is unchanged.
 */
export function request(
  book: BookRow,
  shares: number,
  now: number,
  delta: number,
  client: string,
  stock: string,
): AlertKind | null {
  checkShares(shares)
  if (book.state !== 'WAITING') return null
  book.state = 'OPEN'
  book.requested = shares
  book.close = now + delta
  book.client = client
  book.stock = stock
  return overbought(book, now, delta)
}

/**
 * A purchase came. Returns the alert it completes, or null.
 * @throws AldebaranError VALUE_INVALID when the shares are not 1 to 2^31 − 1; the book is unchanged.
 */
export function purchase(
  book: BookRow,
  shares: number,
  ts: number,
  now: number,
  delta: number,
  stock: string,
): AlertKind | null {
  checkShares(shares)
  const state = book.state
  if (state === 'CLOSED') return null
  const before = book.purchased
  if (before === 0) {
    book.firstTs = ts
    if (state === 'WAITING') {
      book.close = now + delta
      book.stock = stock
    }
  }
  book.purchased = Math.min(before + shares, Number.MAX_SAFE_INTEGER)
  book.lastTs = ts
  return state === 'OPEN' ? overbought(book, now, delta) : null
}

/** The deadline came. Returns the alert of a book that waited in vain; null: the caller deletes the book. */
export function timeout(book: BookRow, now: number, delta: number): AlertKind | null {
  if (book.state !== 'WAITING') return null
  book.state = 'CLOSED'
  book.close = now + delta
  return 'NO_REQUEST'
}

/** The `ts` an alert carries: of the purchase it is about, the latest (overbought) or the first (no request). */
export function alertTs(book: BookRow, kind: AlertKind): number {
  return kind === 'OVERBOUGHT' ? book.lastTs : book.firstTs
}

function overbought(book: BookRow, now: number, delta: number): AlertKind | null {
  if (book.purchased <= book.requested) return null
  book.state = 'CLOSED'
  book.close = now + delta
  return 'OVERBOUGHT'
}

/** Avro's int lets 0 and negative numbers through; a negative purchase would hide an overbought order. */
function checkShares(shares: number): void {
  if (shares < 1 || shares > MAX_SHARES || !Number.isInteger(shares)) {
    throw new AldebaranError(
      'VALUE_INVALID',
      `shares: expected a whole number from 1 to ${MAX_SHARES}, got ${shares}`,
      {
        path: 'shares',
      },
    )
  }
}
