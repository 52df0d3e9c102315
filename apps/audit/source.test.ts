import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import { messageToJson, parseMessage } from './json.ts'
import { type AlertKind, type BookRow, newBook, purchase, request, timeout } from './rules.ts'
import { TradeSource, type TradeSourceOptions, toMessage } from './source.ts'
import { type CurrentMessage, type ExpectAlert, Workload } from './workload.ts'

type Generator = CurrentMessage & { next(): boolean }

/** What the rules raise when Δt never passes before the end, and what the generator expected. */
function audited(make: (expect: ExpectAlert) => Generator): { raised: string[]; expected: string[] } {
  const expected: string[] = []
  const raised: string[] = []
  const books = new Map<number, BookRow>()
  const generator = make((orderId, kind) => expected.push(`${orderId} ${kind}`))
  const raise = (orderId: number, kind: AlertKind | null): void => {
    if (kind !== null) raised.push(`${orderId} ${kind}`)
  }
  while (generator.next()) {
    const { orderId, shares, client, stock } = generator
    let book = books.get(orderId)
    if (book === undefined) {
      book = newBook()
      books.set(orderId, book)
    }
    raise(
      orderId,
      generator.isRequest ? request(book, shares, 1, 1, client, stock) : purchase(book, shares, 0, 1, 1, stock),
    )
  }
  for (const [orderId, book] of books) raise(orderId, timeout(book, 1, 1))
  return { raised: raised.sort(), expected: expected.sort() }
}

describe('the rules raise exactly the expected alerts', () => {
  const sources: Record<string, TradeSourceOptions> = {
    'usual shares': { messages: 200_000 },
    'everything wrong at once': {
      messages: 50_000,
      overbought: 0.5,
      unrequested: 0.3,
      reordered: 0.5,
      openOrders: 100,
    },
    'every order overbought and reordered': { messages: 20_000, overbought: 1, unrequested: 0, reordered: 1 },
    'one order at a time': { messages: 5000, overbought: 0.2, unrequested: 0.2, openOrders: 1 },
  }
  for (const [name, options] of Object.entries(sources)) {
    test(name, () => {
      const { raised, expected } = audited(expect => new TradeSource(options, expect))
      assert.ok(expected.length > 100)
      assert.deepEqual(raised, expected)
    })
  }

  test('the fixed workload', () => {
    const { raised, expected } = audited(expect => new Workload(3, 200_000, expect))
    assert.ok(expected.length > 300)
    assert.deepEqual(raised, expected)
  })
})

function run(options: TradeSourceOptions): {
  source: TradeSource
  messages: string[]
  alerts: Record<AlertKind, number>
} {
  const alerts = { OVERBOUGHT: 0, NO_REQUEST: 0 }
  const source = new TradeSource(options, (_, kind) => {
    alerts[kind]++
  })
  const messages: string[] = []
  while (source.next()) messages.push(JSON.stringify([source.at, toMessage(source, null)]))
  return { source, messages, alerts }
}

test('is a function of its options', () => {
  const options = { messages: 2000, seed: 5, rate: 1000 }
  assert.deepEqual(run(options).messages, run(options).messages)
  assert.notDeepEqual(run({ ...options, seed: 6 }).messages, run(options).messages)
})

test('sound orders raise nothing, though filled to the last share', () => {
  const { alerts, messages } = run({ messages: 20_000, overbought: 0, unrequested: 0, reordered: 0, openOrders: 10 })
  assert.deepEqual(alerts, { OVERBOUGHT: 0, NO_REQUEST: 0 })
  const totals = new Map<number, number>()
  for (const line of messages) {
    const [, message] = JSON.parse(line) as [number, ReturnType<typeof toMessage>]
    const order = message.kind === 'request' ? message.id : message.orderId
    totals.set(order, (totals.get(order) ?? 0) + (message.kind === 'request' ? -message.shares : message.shares))
  }
  const open = [...totals.values()].filter(total => total !== 0)
  assert.ok(totals.size > 3000)
  assert.ok(open.length <= 10, 'only the orders open at the end are not filled')
})

test('shares of wrong orders are those asked for', () => {
  const { alerts, source } = run({ messages: 300_000, overbought: 0.1, unrequested: 0.05, openOrders: 100 })
  // An order has 4 purchases on average and nearly always a request.
  const orders = source.sent / 4.95
  assert.ok(Math.abs(alerts.NO_REQUEST / orders - 0.05) < 0.005)
  assert.ok(Math.abs(alerts.OVERBOUGHT / orders - 0.095) < 0.005)
})

test('messages are due at the rate', () => {
  const source = new TradeSource({ rate: 2000, messages: 3 }, () => {})
  const due: number[] = []
  while (source.next()) due.push(source.at)
  assert.deepEqual(due, [0, 0.5, 1])
  assert.equal(source.openOrders, 80)
})

test('finish ends it at once and tells each cut-off order once', () => {
  let told = 0
  const source = new TradeSource({ unrequested: 0, reordered: 1, overbought: 0 }, (_, kind) => {
    assert.equal(kind, 'NO_REQUEST')
    told++
  })
  for (let i = 0; i < 1000; i++) source.next()
  assert.equal(told, 0)
  source.finish()
  const atEnd = told
  assert.ok(atEnd > 500)
  source.finish()
  assert.equal(source.next(), false)
  assert.equal(source.sent, 1000)
  assert.equal(told, atEnd)
})

test('ids begin where they are told to', () => {
  const source = new TradeSource({ firstId: 5000, openOrders: 1, messages: 2, reordered: 0, unrequested: 0 }, () => {})
  source.next()
  assert.deepEqual([source.isRequest, source.orderId], [true, 5000])
  source.next()
  assert.deepEqual([source.isRequest, source.purchaseId], [false, 5000])
})

test('its messages are those of the JSON spelling', () => {
  const source = new TradeSource({ messages: 500 }, () => {})
  while (source.next()) {
    const message = toMessage(source, 17)
    assert.deepEqual(parseMessage(messageToJson(message), 'integer'), message)
  }
  assert.equal(source.sent, 500)
})

test('options that make no sense are refused by name', () => {
  const wrong: TradeSourceOptions[] = [
    { rate: -1 },
    { rate: Number.NaN },
    { seed: 1.5 },
    { messages: -1 },
    { overbought: 1.1 },
    { unrequested: -0.1 },
    { reordered: Number.NaN },
    { openOrders: 0 },
    { openOrders: 2.5 },
    { firstId: -1 },
  ]
  for (const options of wrong) {
    assert.throws(
      () => new TradeSource(options, () => {}),
      (error: unknown) =>
        error instanceof AldebaranError &&
        error.code === 'OPTION_INVALID' &&
        error.details.option === Object.keys(options)[0],
    )
  }
})
