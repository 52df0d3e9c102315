import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import fc from 'fast-check'
import { type AlertKind, alertTs, type BookRow, MAX_SHARES, newBook, purchase, request, timeout } from './rules.ts'

interface Message {
  /** When it is processed, ms. */
  at: number
  request: boolean
  shares: number
  ts: number
}

interface Raised {
  kind: AlertKind
  at: number
  requested: number
  purchased: number
  ts: number
}

/** One order, driven as the application does: what is due comes before the message of the same instant. */
function play(messages: readonly Message[], delta: number): { raised: Raised[]; left: BookRow | null } {
  const raised: Raised[] = []
  let book: BookRow | null = null
  const raise = (kind: AlertKind | null, of: BookRow, at: number): void => {
    if (kind !== null) {
      raised.push({ kind, at, requested: of.requested, purchased: of.purchased, ts: alertTs(of, kind) })
    }
  }
  const runTimers = (now: number): void => {
    while (book !== null && book.close <= now) {
      const at: number = book.close
      book.close = 0
      const alert = timeout(book, at, delta)
      raise(alert, book, at)
      if (alert === null) book = null
    }
  }
  for (const message of messages) {
    runTimers(message.at)
    book ??= newBook()
    const alert = message.request
      ? request(book, message.shares, message.at, delta, 'c', 's')
      : purchase(book, message.shares, message.ts, message.at, delta, 's')
    raise(alert, book, message.at)
  }
  runTimers(Number.POSITIVE_INFINITY)
  return { raised, left: book }
}

/**
 * The rule said over whole lists, with no state: cut the messages of the order into lives (a life begins with the
 * first message that no earlier life covers), and look at each life from outside.
 */
function oracle(messages: readonly Message[], delta: number): Raised[] {
  const raised: Raised[] = []
  let rest = [...messages]
  while (rest.length > 0) {
    const life = rest
    const born = life[0]!.at
    const sum = (part: readonly Message[]): number =>
      part.filter(message => !message.request).reduce((total, message) => total + message.shares, 0)
    const requestIndex = life.findIndex(message => message.request)
    const inTime = requestIndex === 0 || (requestIndex > 0 && life[requestIndex]!.at < born + delta)
    let over: number
    if (!inTime) {
      const waited = life.filter(message => message.at < born + delta)
      raised.push({ kind: 'NO_REQUEST', at: born + delta, requested: 0, purchased: sum(waited), ts: life[0]!.ts })
      over = born + 2 * delta
    } else {
      const requested = life[requestIndex]!
      over = requested.at + delta
      const breach = life.findIndex(
        (message, i) => i >= requestIndex && message.at < over && sum(life.slice(0, i + 1)) > requested.shares,
      )
      if (breach >= 0) {
        const upTo = life.slice(0, breach + 1)
        const latest = upTo.findLast(message => !message.request)!
        const at = life[breach]!.at
        raised.push({ kind: 'OVERBOUGHT', at, requested: requested.shares, purchased: sum(upTo), ts: latest.ts })
        over = at + delta
      }
    }
    rest = life.filter(message => message.at >= over)
  }
  return raised
}

const messagesOf = (request: fc.Arbitrary<boolean>): fc.Arbitrary<Message[]> =>
  fc
    .array(
      fc.record({
        gap: fc.integer({ min: 0, max: 6 }),
        request,
        shares: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: MAX_SHARES - 2, max: MAX_SHARES })),
        ts: fc.integer({ min: 0, max: 1000 }),
      }),
      { maxLength: 20 },
    )
    .map(steps => {
      let at = 1
      return steps.map(({ gap, ...message }) => {
        at += gap
        return { at, ...message }
      })
    })

describe('against the rule said without state', () => {
  for (const [name, arbitrary] of [
    ['requests and purchases alike', messagesOf(fc.boolean())],
    ['mostly purchases', messagesOf(fc.integer({ min: 0, max: 9 }).map(n => n === 0))],
  ] as const) {
    test(name, () => {
      fc.assert(
        fc.property(arbitrary, fc.integer({ min: 1, max: 12 }), (messages, delta) => {
          const { raised, left } = play(messages, delta)
          assert.deepEqual(raised, oracle(messages, delta))
          assert.equal(left, null)
        }),
        { numRuns: 3000 },
      )
    })
  }
})

const now = 1_000_000
const delta = 10_000

test('exactly as many shares as requested are no alert, one more is', () => {
  const book = newBook()
  assert.equal(request(book, 100, now, delta, 'client', 'AAA'), null)
  assert.equal(purchase(book, 60, 1, now, delta, 'AAA'), null)
  assert.equal(purchase(book, 40, 2, now, delta, 'AAA'), null)
  assert.equal(book.state, 'OPEN')
  assert.equal(purchase(book, 1, 3, now + 5, delta, 'AAA'), 'OVERBOUGHT')
  assert.deepEqual(book, {
    state: 'CLOSED',
    requested: 100,
    purchased: 101,
    firstTs: 1,
    lastTs: 3,
    close: now + 5 + delta,
    client: 'client',
    stock: 'AAA',
  })
})

test('purchases before their request are counted, and the request can raise the alert', () => {
  const book = newBook()
  assert.equal(purchase(book, 60, 1, now, delta, 'AAA'), null)
  assert.equal(purchase(book, 60, 2, now + 1, delta, 'AAA'), null)
  assert.equal(book.close, now + delta)
  assert.equal(request(book, 119, now + 2, delta, 'client', 'AAA'), 'OVERBOUGHT')
  assert.equal(alertTs(book, 'OVERBOUGHT'), 2)
})

test('a closed book raises nothing more and keeps its deadline and totals', () => {
  const book = newBook()
  request(book, 1, now, delta, 'client', 'AAA')
  assert.equal(purchase(book, 2, 1, now, delta, 'AAA'), 'OVERBOUGHT')
  const closed = { ...book }
  assert.equal(purchase(book, 5, 2, now + 9, delta, 'BBB'), null)
  assert.equal(request(book, 1, now + 9, delta, 'other', 'BBB'), null)
  assert.deepEqual(book, closed)
  assert.equal(timeout(book, now + delta, delta), null)
})

test('a repeated request for an open book is ignored', () => {
  const book = newBook()
  request(book, 100, now, delta, 'client', 'AAA')
  const open = { ...book }
  assert.equal(request(book, 1, now + 500, delta, 'other', 'BBB'), null)
  assert.deepEqual(book, open)
})

test('a book without a request alerts at its deadline with the ts of the first purchase, then is remembered', () => {
  const book = newBook()
  purchase(book, 60, 7, now, delta, 'AAA')
  purchase(book, 50, 9, now + 4000, delta, 'AAA')
  assert.equal(timeout(book, now + delta, delta), 'NO_REQUEST')
  assert.deepEqual([book.state, book.purchased, book.close], ['CLOSED', 110, now + 2 * delta])
  assert.equal(alertTs(book, 'NO_REQUEST'), 7)
  assert.equal(request(book, 1, now + delta + 1, delta, 'client', 'AAA'), null)
  assert.equal(timeout(book, now + 2 * delta, delta), null)
})

test('an open book times out without an alert', () => {
  const book = newBook()
  request(book, 100, now, delta, 'client', 'AAA')
  assert.equal(timeout(book, now + delta, delta), null)
  assert.equal(book.state, 'OPEN')
})

test('totals go beyond 32 bits', () => {
  const book = newBook()
  purchase(book, MAX_SHARES, 1, now, delta, 'AAA')
  purchase(book, MAX_SHARES, 2, now, delta, 'AAA')
  assert.equal(book.purchased, 2 * MAX_SHARES)
  assert.equal(request(book, MAX_SHARES, now, delta, 'client', 'AAA'), 'OVERBOUGHT')
})

test('totals stop at 2^53 - 1 instead of losing exactness', () => {
  const book = newBook()
  purchase(book, 1, 1, now, delta, 'AAA')
  book.purchased = Number.MAX_SAFE_INTEGER - 1
  purchase(book, MAX_SHARES, 2, now, delta, 'AAA')
  assert.equal(book.purchased, Number.MAX_SAFE_INTEGER)
})

test('shares that are not 1 to 2^31 - 1 are refused and change nothing', () => {
  for (const shares of [0, -1, 1.5, MAX_SHARES + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const book = newBook()
    const refused = (error: unknown): boolean => error instanceof AldebaranError && error.code === 'VALUE_INVALID'
    assert.throws(() => request(book, shares, now, delta, 'client', 'AAA'), refused, String(shares))
    assert.throws(() => purchase(book, shares, 1, now, delta, 'AAA'), refused, String(shares))
    assert.deepEqual(book, newBook())
  }
})
