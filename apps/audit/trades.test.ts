import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { AldebaranError } from 'aldebaran'
import { type AlertKind, type BookRow, newBook, purchase, request, timeout } from './rules.ts'
import {
  readTrades,
  replayTrades,
  sampleTrades,
  type TimedMessage,
  type Trade,
  type TradeOrderOptions,
  TradeOrders,
} from './trades.ts'

const START = 1_385_337_600
const SOUND = { overbought: 0, unrequested: 0, late: 0 }

let folder = ''
let files = 0
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audit-trades-'))
})
after(() => rm(folder, { recursive: true }))

async function fileOf(lines: string[], end = '\n'): Promise<string> {
  const file = join(folder, `${files++}.csv.gz`)
  await writeFile(file, gzipSync(lines.join('\n') + end))
  return file
}

async function all<T>(source: AsyncIterable<T[]>): Promise<T[]> {
  const items: T[] = []
  for await (const some of source) items.push(...some)
  return items
}

function trade(second: number, price: number, units: number, symbol = 'BTCUSD'): Trade {
  return { ts: (START + second) * 1_000_000, symbol, price, units }
}

function messagesOf(trades: Trade[], options: TradeOrderOptions = SOUND): TimedMessage[] {
  const out: TimedMessage[] = []
  const orders = new TradeOrders(options)
  for (const each of trades) orders.add(each, out)
  orders.end(out)
  return out
}

/** The shares of each order's fills, in the order of the order ids. */
function fillsOf(messages: TimedMessage[]): number[][] {
  const fills: number[][] = []
  for (const { message } of messages) {
    if (message.kind !== 'purchase') continue
    fills[message.orderId - 1] ??= []
    fills[message.orderId - 1]!.push(message.shares)
  }
  return fills
}

function throwsWith(code: string, detail: Record<string, unknown>): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof AldebaranError, String(error))
    assert.equal(error.code, code)
    assert.deepEqual({ ...error.details, ...detail }, error.details)
    return true
  }
}

describe('reading', () => {
  test('gives each row, with the size as exact units', async () => {
    const file = await fileOf(['ts_us,symbol,price,size', '5,A,800.01,0.1', '6,B,1,12.00000001', '6,B,1,3'])
    assert.deepEqual(await all(readTrades(file)), [
      { ts: 5, symbol: 'A', price: 800.01, units: 10_000_000 },
      { ts: 6, symbol: 'B', price: 1, units: 1_200_000_001 },
      { ts: 6, symbol: 'B', price: 1, units: 300_000_000 },
    ])
  })

  test('takes a last line without its end', async () => {
    const file = await fileOf(['ts_us,symbol,price,size', '5,A,800.01,0.1', '6,A,800,1'], '')
    assert.equal((await all(readTrades(file))).length, 2)
  })

  test('names the line that is no trade', async () => {
    const rows = ['', '5,A,800', '5,A,800,0.1,x', 'x,A,800,0.1', '5,,800,0.1', '5,A,-1,0.1', '5,A,800,0', '5,A,NaN,1']
    for (const row of [
      ...rows,
      '5,A,1e999,1',
      '5,A,800,1e-8',
      '5,A,800,0.123456789',
      '5,A,800,-1',
      '0,A,1,1',
      '5,A,1,1\r',
    ]) {
      const file = await fileOf(['ts_us,symbol,price,size', '5,A,800,1', row])
      await assert.rejects(all(readTrades(file)), throwsWith('VALUE_INVALID', { line: 3 }), row)
    }
  })

  test('refuses a file with other columns', async () => {
    await assert.rejects(
      all(readTrades(await fileOf(['a,b,c,d', '5,A,1,1']))),
      throwsWith('VALUE_INVALID', { line: 1 }),
    )
  })

  test('refuses a line without end instead of collecting it', async () => {
    const file = await fileOf(['ts_us,symbol,price,size', '5,A,800,1', 'x'.repeat(200_000)])
    await assert.rejects(all(readTrades(file)), throwsWith('VALUE_INVALID', { line: 3 }))
  })

  test('a file cut short and a file that is not there are errors', async () => {
    const cut = join(folder, 'cut.csv.gz')
    await writeFile(cut, (await readFile(sampleTrades())).subarray(0, 100_000))
    await assert.rejects(all(readTrades(cut)))
    await assert.rejects(all(readTrades(join(folder, 'none.csv.gz'))), { code: 'ENOENT' })
  })
})

describe('orders', () => {
  test('trades of one second on one side are one order', () => {
    const trades = [
      trade(0, 800, 1000),
      trade(0, 801, 2000),
      trade(0, 801, 3000),
      // A lower price is a sell, and so is the same price after it, in the next second too.
      trade(0, 799, 4000),
      trade(1, 799, 5000),
      trade(1, 799, 6000),
      trade(1, 800, 7000),
    ]
    assert.deepEqual(fillsOf(messagesOf(trades)), [[10, 20, 30], [40], [50, 60], [70]])
  })

  test('another symbol between them does not part the fills of an order', () => {
    const trades = [trade(0, 800, 100), trade(0, 5, 200, 'ETHUSD'), trade(0, 800, 300), trade(0, 5, 400, 'ETHUSD')]
    assert.deepEqual(fillsOf(messagesOf(trades)), [
      [1, 3],
      [2, 4],
    ])
  })

  test('shares are rounded to the nearest, at least one', () => {
    const units = [1, 49, 149, 150, 250, 5_000_000_000]
    const trades = units.map((size, second) => trade(second, 800, size))
    assert.deepEqual(fillsOf(messagesOf(trades)).flat(), [1, 1, 1, 2, 3, 50_000_000])
  })

  test('an order whose shares would not fit in 32 bits is parted, a single fill that does not fit refused', () => {
    const most = (2 ** 31 - 1) * 100
    assert.deepEqual(fillsOf(messagesOf([trade(0, 800, most), trade(0, 800, 100)])), [[2 ** 31 - 1], [1]])
    const larger = trade(0, 800, most + 100)
    assert.throws(() => messagesOf([larger]), throwsWith('VALUE_INVALID', {}))
    assert.deepEqual(fillsOf(messagesOf([larger], { ...SOUND, unitsPerShare: 1000 })), [[214_748_365]])
  })

  test('a sound request is the sum of the fills and comes before the first', () => {
    const messages = messagesOf([trade(0, 800, 1000), trade(0, 800, 2000), trade(0, 800, 3000)])
    assert.deepEqual(
      messages.map(({ message }) => [message.kind, message.id, message.shares]),
      [
        ['request', 1, 60],
        ['purchase', 1, 10],
        ['purchase', 2, 20],
        ['purchase', 3, 30],
      ],
    )
    const [asked, ...fills] = messages.map(({ at }) => at)
    assert.deepEqual(fills, [1000, 1333, 1666])
    assert.ok(asked! >= 500 && asked! < 1000)
    assert.ok(messages.every(({ message, at }) => message.ts === (START * 1000 + at) * 1000))
    assert.ok(messages.every(({ message, alert }) => message.stock === 'BTCUSD' && alert === null))
    assert.equal(new Set(messages.map(({ message }) => message.client)).size, 1)
  })

  test('an overbought order is requested with less and tells its alert on the fill that breaks it', () => {
    const fills = [trade(0, 800, 1000), trade(0, 800, 1000)]
    const messages = messagesOf(fills, { ...SOUND, overbought: 1 })
    assert.ok(messages[0]!.message.shares < 20)
    assert.deepEqual(
      messages.map(({ alert }) => alert),
      [null, null, 'OVERBOUGHT'],
    )
  })

  test('an order of one share is never overbought', () => {
    const messages = messagesOf([trade(0, 800, 1)], { ...SOUND, overbought: 1 })
    assert.deepEqual(
      messages.map(({ message, alert }) => [message.shares, alert]),
      [
        [1, null],
        [1, null],
      ],
    )
  })

  test('an unrequested order has no request and tells its alert on its first fill', () => {
    const messages = messagesOf([trade(0, 800, 1000), trade(0, 800, 1000)], { ...SOUND, unrequested: 1, overbought: 1 })
    assert.deepEqual(
      messages.map(({ message, alert }) => [message.kind, alert]),
      [
        ['purchase', 'NO_REQUEST'],
        ['purchase', null],
      ],
    )
  })

  test('a late request comes after a fill', () => {
    const trades = Array.from({ length: 200 }, (_, i) => trade(i, 800, 1000))
    const seen = new Set<number>()
    for (const { message, alert } of messagesOf(trades, { ...SOUND, late: 1 })) {
      assert.equal(alert, null)
      if (message.kind === 'purchase') seen.add(message.orderId)
      else assert.ok(seen.has(message.id))
    }
    assert.equal(seen.size, 200)
  })

  test('trades that go back in time are refused', () => {
    assert.throws(() => messagesOf([trade(1, 800, 1), trade(0, 800, 1)]), throwsWith('VALUE_INVALID', {}))
  })

  test('options that make no sense are refused by name', () => {
    for (const options of [
      { overbought: 2 },
      { late: -1 },
      { unrequested: Number.NaN },
      { unitsPerShare: 0 },
      { seed: 0.5 },
    ]) {
      const option = Object.keys(options)[0]
      assert.throws(() => new TradeOrders(options), throwsWith('OPTION_INVALID', { option }))
    }
  })
})

/** The auditor with its timers: deadlines are all the same time ahead, so they come in the order they were set. */
function audit(messages: TimedMessage[], delta: number): string[] {
  const raised: string[] = []
  const books = new Map<number, BookRow>()
  const deadlines: { orderId: number; at: number }[] = []
  let next = 0
  const raise = (orderId: number, kind: AlertKind | null): void => {
    if (kind !== null) raised.push(`${orderId} ${kind}`)
  }
  const runTimers = (now: number): void => {
    for (; next < deadlines.length && deadlines[next]!.at <= now; next++) {
      const { orderId, at } = deadlines[next]!
      const book = books.get(orderId)
      if (book?.close !== at) continue
      const alert = timeout(book, at, delta)
      raise(orderId, alert)
      if (alert === null) books.delete(orderId)
      else deadlines.push({ orderId, at: book.close })
    }
  }
  for (const { at, message } of messages) {
    runTimers(at)
    const orderId = message.kind === 'request' ? message.id : message.orderId
    let book = books.get(orderId)
    if (book === undefined) {
      book = newBook()
      books.set(orderId, book)
    }
    const before = book.close
    const { shares, client, stock, ts } = message
    raise(
      orderId,
      message.kind === 'request'
        ? request(book, shares, at, delta, client, stock)
        : purchase(book, shares, ts!, at, delta, stock),
    )
    if (book.close !== before) deadlines.push({ orderId, at: book.close })
  }
  runTimers(Number.POSITIVE_INFINITY)
  assert.equal(books.size, 0)
  return raised.sort()
}

async function textOf(options: TradeOrderOptions): Promise<string> {
  const messages = await all(replayTrades(sampleTrades(), options))
  return messages
    .map(({ at, message: { kind, id, shares, client, ts }, alert }) => [at, kind, id, shares, client, ts, alert].join())
    .join('\n')
}

describe('the sample', () => {
  const options = { seed: 3, overbought: 0.05, unrequested: 0.02, late: 0.1 }

  test('gives every trade once, in the order of time, and the alerts the rules raise', async () => {
    const trades = await all(readTrades(sampleTrades()))
    const messages = await all(replayTrades(sampleTrades(), options))
    const purchases = messages.filter(({ message }) => message.kind === 'purchase')
    assert.equal(trades.length, 40_000)
    assert.equal(purchases.length, 40_000)
    assert.deepEqual(new Set(purchases.map(({ message }) => message.id)).size, 40_000)
    assert.equal(
      purchases.reduce((total, { message }) => total + message.shares, 0),
      trades.reduce((total, { units }) => total + Math.max(1, Math.round(units / 100)), 0),
    )
    assert.ok(messages.every(({ at }, i) => i === 0 || at >= messages[i - 1]!.at))
    const expected = messages
      .filter(({ alert }) => alert !== null)
      .map(({ message, alert }) => `${message.kind === 'request' ? message.id : message.orderId} ${alert}`)
    assert.ok(expected.length > 1000)
    assert.deepEqual(audit(messages, 10_000), expected.sort())
  })

  test('is the same each time, and another with another seed', async () => {
    const first = await textOf(options)
    assert.ok((await textOf(options)) === first)
    assert.ok((await textOf({ ...options, seed: 4 })) !== first)
  })

  test('loops with new ids, later times and other wrong orders', async () => {
    const file = await fileOf([
      'ts_us,symbol,price,size',
      ...Array.from({ length: 300 }, (_, i) => `${(START + i) * 1_000_000},BTCUSD,${800 + (i % 2)},0.5`),
    ])
    const messages = await all(replayTrades(file, { ...options, overbought: 0.3, loops: 3 }))
    assert.equal(new Set(messages.map(({ message }) => `${message.kind} ${message.id}`)).size, messages.length)
    assert.ok(messages.every(({ at }, i) => i === 0 || at >= messages[i - 1]!.at))
    const wrong = messages.flatMap(({ message, alert }) =>
      message.kind === 'purchase' && alert !== null ? [message.orderId] : [],
    )
    const perLoop = [0, 1, 2].map(loop => wrong.filter(id => Math.ceil(id / 300) === loop + 1).map(id => id % 300))
    assert.equal(perLoop.flat().length, wrong.length)
    assert.notDeepEqual(perLoop[0], perLoop[1])
    const expected = messages.filter(({ alert }) => alert !== null).length
    assert.equal(audit(messages, 10_000).length, expected)
  })

  test('can be left in the middle of an endless replay', async () => {
    let count = 0
    for await (const messages of replayTrades(sampleTrades(), { loops: Number.POSITIVE_INFINITY })) {
      count += messages.length
      if (count > 100_000) break
    }
    assert.ok(count > 100_000)
  })

  test('an empty record ends even when looped for ever', async () => {
    const file = await fileOf(['ts_us,symbol,price,size'])
    assert.deepEqual(await all(replayTrades(file, { loops: Number.POSITIVE_INFINITY })), [])
  })
})
