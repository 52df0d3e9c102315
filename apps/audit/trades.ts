/**
 * Real trades as the auditor's messages: a record of an exchange's trades, turned into requests and purchases.
 *
 * The record has fills and no orders, so the orders are inferred, by one rule with no choice in it:
 * 1. A trade is a buy when its price is above that of the symbol's trade before it, a sell when below, and as that
 *    trade was when equal (the tick test). The first is a buy.
 * 2. Trades of one symbol that follow each other within one second on one side are the fills of one order.
 * 3. An order's request is the sum of its fills, so that sound orders are filled exactly.
 *
 * Shares are whole: a fill of s units of 10^-8 is s / `unitsPerShare` shares, rounded to the nearest, halves up, at
 * least 1. The usual 100 makes a share a millionth of a bitcoin, and an order of 2,147 bitcoins the largest one; fills
 * beyond that begin another order.
 *
 * The record's clock has whole seconds: the n trades of a second are spread evenly over it. A request comes 1 to 500 ms
 * before the first fill; a late one 1 to 1,500 ms after one of them. Which orders are wrong is drawn from the seed.
 */
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AldebaranError } from 'aldebaran'
import type { AuditMessage } from './json.ts'
import { type AlertKind, MAX_SHARES } from './rules.ts'
import { clientNames, Xorshift128 } from './workload.ts'

export interface Trade {
  /** Microseconds since 1970 UTC. */
  ts: number
  symbol: string
  price: number
  /** In units of 10^-8. */
  units: number
}

export interface TimedMessage {
  /** Milliseconds from the start of the record; never less than that of the message before. */
  at: number
  message: AuditMessage<number>
  /** The alert that is certain once this message is processed; NO_REQUEST is raised Δt after it. */
  alert: AlertKind | null
}

export interface TradeOrderOptions {
  /** Default 1. */
  seed?: number
  /** Units of 10^-8 in a share. Default 100. */
  unitsPerShare?: number
  /** Share of the orders requested with less than they are filled with, 0 to 1. Default 0.01. */
  overbought?: number
  /** Share of the orders without a request, 0 to 1. Default 0.001. */
  unrequested?: number
  /** Share of the orders whose request comes after a fill, 0 to 1. Default 0.05. */
  late?: number
}

/** Sample trades that come with the application: 40,000 of Bitstamp's in BTC/USD, 2013-11-25 to 27. */
export function sampleTrades(): URL {
  return new URL('./data/trades-bitstamp.csv.gz', import.meta.url)
}

const HEADER = 'ts_us,symbol,price,size'
const SIZE = /^([0-9]{1,7})(?:\.([0-9]{1,8}))?$/
const MAX_LINE = 1000

/**
 * Reads a gzipped CSV of trades (`ts_us,symbol,price,size`) as a stream, many rows at a time: a promise for each would
 * cost more than the reading.
 * @throws AldebaranError VALUE_INVALID with `details.line` for a line that is no trade
 */
export async function* readTrades(file: string | URL): AsyncGenerator<Trade[]> {
  const text = createGunzip().setEncoding('utf8')
  // An error of the file destroys the gunzip stream with it, so the loop below throws it.
  pipeline(createReadStream(file), text, () => {})
  let line = 0
  let rest = ''
  for await (const chunk of text as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    if (rest.length > MAX_LINE) throw invalidLine(line + lines.length + 1, rest)
    const trades: Trade[] = []
    for (const each of lines) {
      line++
      if (line > 1) trades.push(parseTrade(each, line))
      else if (each !== HEADER) throw invalidLine(1, each)
    }
    yield trades
  }
  if (rest !== '') yield [parseTrade(rest, line + 1)]
}

function parseTrade(text: string, line: number): Trade {
  const fields = text.split(',')
  const [time, symbol, priceText, size] = fields
  const ts = Number(time)
  const price = Number(priceText)
  const digits = SIZE.exec(size ?? '')
  const units = digits === null ? 0 : Number(digits[1]! + (digits[2] ?? '').padEnd(8, '0'))
  const sound = Number.isSafeInteger(ts) && ts > 0 && price > 0 && Number.isFinite(price) && units > 0
  if (fields.length !== 4 || !symbol || !sound) throw invalidLine(line, text)
  return { ts, symbol, price, units }
}

function invalidLine(line: number, text: string): AldebaranError {
  const shown = JSON.stringify(text.slice(0, 80))
  return new AldebaranError('VALUE_INVALID', `line ${line}: expected ${HEADER}, got ${shown}`, { line })
}

/**
 * The messages of a record played `loops` times in a row, with new ids and other wrong orders each time, and times that
 * go on, many at a time. To play faster, divide `at`.
 *
 * @param loops default 1; Infinity never ends
 * @throws AldebaranError VALUE_INVALID as `readTrades`, or for trades that go back in time
 */
export async function* replayTrades(
  file: string | URL,
  options: TradeOrderOptions & { loops?: number } = {},
): AsyncGenerator<TimedMessage[]> {
  const loops = options.loops ?? 1
  let orders = new TradeOrders(options)
  for (let loop = 0; loop < loops; loop++) {
    if (loop > 0) orders = orders.again()
    for await (const trades of readTrades(file)) {
      const messages: TimedMessage[] = []
      for (const trade of trades) orders.add(trade, messages)
      yield messages
    }
    const rest: TimedMessage[] = []
    orders.end(rest)
    yield rest
    if (orders.length === 0) return
  }
}

interface Pending extends TimedMessage {
  sequence: number
}

interface Fill {
  at: number
  shares: number
}

interface Order {
  symbol: string
  side: number
  total: number
  fills: Fill[]
}

/** How much later than in the record everything happens, so that a request can come before its first fill. */
const SHIFT_MS = 1000
const LEAD_MS = 500
const LATE_MS = 1500
const PARTS = 1_000_000

/** Groups the trades it is given into orders, and gives their messages in the order of time. */
export class TradeOrders {
  /** Milliseconds that the record takes, in whole seconds; known after `end`. */
  length = 0

  readonly #options: Required<TradeOrderOptions>
  readonly #draw: Xorshift128
  readonly #clients = clientNames()
  readonly #lastPrice = new Map<string, number>()
  readonly #side = new Map<string, number>()
  /** The trades of the second that is being read. */
  #second: Trade[] = []
  #startSecond = -1
  #currentSecond = -1
  /** Messages not given yet. */
  #pending: Pending[] = []
  #sequence = 0
  #nextOrder = 1
  #nextPurchase = 1
  /** Where this loop begins, ms. */
  #offset = 0

  /** @throws AldebaranError OPTION_INVALID */
  constructor(options: TradeOrderOptions = {}) {
    const { seed = 1, unitsPerShare = 100, overbought = 0.01, unrequested = 0.001, late = 0.05 } = options
    for (const [option, share] of Object.entries({ overbought, unrequested, late })) {
      if (!(share >= 0 && share <= 1)) {
        throw new AldebaranError('OPTION_INVALID', `${option}: expected 0 to 1, got ${share}`, { option })
      }
    }
    for (const [option, number] of Object.entries({ seed, unitsPerShare })) {
      if (!Number.isSafeInteger(number) || (option === 'unitsPerShare' && number < 1)) {
        throw new AldebaranError('OPTION_INVALID', `${option}: expected a whole number, got ${number}`, { option })
      }
    }
    this.#options = { seed, unitsPerShare, overbought, unrequested, late }
    this.#draw = new Xorshift128(seed)
  }

  /** The next loop over the same record: ids and times go on, and the seed is another. Call it after `end`. */
  again(): TradeOrders {
    const next = new TradeOrders({ ...this.#options, seed: this.#options.seed + 1 })
    next.#nextOrder = this.#nextOrder
    next.#nextPurchase = this.#nextPurchase
    next.#offset = this.#offset + this.length
    return next
  }

  /** Takes the next trade, and appends to `out` the messages whose turn has come. */
  add(trade: Trade, out: TimedMessage[]): void {
    const second = Math.floor(trade.ts / 1_000_000)
    if (second < this.#currentSecond) {
      throw new AldebaranError('VALUE_INVALID', `the trade of ${trade.ts} is earlier than the one before it`)
    }
    if (second > this.#currentSecond) {
      this.#closeSecond()
      if (this.#startSecond < 0) this.#startSecond = second
      this.#currentSecond = second
      this.#give(this.#secondAt() + SHIFT_MS - LEAD_MS, out)
    }
    this.#second.push(trade)
  }

  /** The record is at its end: appends what is left. */
  end(out: TimedMessage[]): void {
    this.#closeSecond()
    this.#give(Number.POSITIVE_INFINITY, out)
  }

  #secondAt(): number {
    return this.#offset + (this.#currentSecond - this.#startSecond) * 1000
  }

  /** Turns the trades of the second into orders. */
  #closeSecond(): void {
    const orders: Order[] = []
    const open = new Map<string, Order>()
    const start = this.#secondAt() + SHIFT_MS
    for (const [index, trade] of this.#second.entries()) {
      const side = this.#sideOf(trade)
      const shares = Math.max(1, Math.round(trade.units / this.#options.unitsPerShare))
      if (shares > MAX_SHARES) {
        throw new AldebaranError('VALUE_INVALID', `a fill of ${shares} shares is too large: raise unitsPerShare`)
      }
      let order = open.get(trade.symbol)
      if (order === undefined || order.side !== side || order.total + shares > MAX_SHARES) {
        order = { symbol: trade.symbol, side, total: 0, fills: [] }
        orders.push(order)
        open.set(trade.symbol, order)
      }
      order.total += shares
      order.fills.push({ at: start + Math.floor((index * 1000) / this.#second.length), shares })
    }
    this.#second = []
    for (const order of orders) this.#schedule(order)
  }

  #sideOf(trade: Trade): number {
    const last = this.#lastPrice.get(trade.symbol) ?? 0
    let side = this.#side.get(trade.symbol) ?? 1
    if (trade.price !== last) side = trade.price > last ? 1 : -1
    this.#lastPrice.set(trade.symbol, trade.price)
    this.#side.set(trade.symbol, side)
    return side
  }

  /** Draws what is wrong with the order, the same number of draws for each, and puts its messages in their places. */
  #schedule({ symbol, total, fills }: Order): void {
    const { overbought, unrequested, late } = this.#options
    const draw = this.#draw
    const isUnrequested = draw.below(PARTS) < unrequested * PARTS
    const isLate = draw.below(PARTS) < late * PARTS
    // One share cannot be overbought: a request is of one share at least.
    const isOverbought = draw.below(PARTS) < overbought * PARTS && total > 1
    const partRequested = 50 + draw.below(50)
    const lead = 1 + draw.below(LEAD_MS)
    const lateFill = fills[draw.below(fills.length)]!
    const delay = 1 + draw.below(LATE_MS)
    const client = this.#clients[draw.below(this.#clients.length)]!
    const id = this.#nextOrder++

    const requested = isOverbought ? Math.max(1, Math.floor((total * partRequested) / 100)) : total
    const requestAt = isUnrequested ? Number.POSITIVE_INFINITY : isLate ? lateFill.at + delay : fills[0]!.at - lead
    const messages: TimedMessage[] = []
    for (const { at, shares } of fills) {
      const purchaseId = this.#nextPurchase++
      const ts = this.#tsOf(at)
      const message = { kind: 'purchase', id: purchaseId, orderId: id, shares, client, stock: symbol, ts } as const
      messages.push({ at, message, alert: null })
    }
    if (isUnrequested) messages[0]!.alert = 'NO_REQUEST'
    else {
      const ts = this.#tsOf(requestAt)
      const message = { kind: 'request', id, shares: requested, client, stock: symbol, ts } as const
      const place = messages.findIndex(({ at }) => at >= requestAt)
      messages.splice(place < 0 ? messages.length : place, 0, { at: requestAt, message, alert: null })
    }
    if (isOverbought && !isUnrequested) breachOf(messages, requested).alert = 'OVERBOUGHT'
    for (const message of messages) this.#pending.push({ ...message, sequence: this.#sequence++ })
  }

  /** Time in the record, going on from loop to loop. */
  #tsOf(at: number): number {
    return (this.#startSecond * 1000 + at) * 1000
  }

  /** Gives what comes before `at`: nothing earlier than that can still be made. */
  #give(at: number, out: TimedMessage[]): void {
    this.#pending.sort((a, b) => a.at - b.at || a.sequence - b.sequence)
    const end = this.#pending.findIndex(message => message.at >= at)
    const due = this.#pending.splice(0, end < 0 ? this.#pending.length : end)
    for (const { at: when, message, alert } of due) {
      this.length = Math.max(this.length, Math.ceil((when + 1 - this.#offset) / 1000) * 1000)
      out.push({ at: when, message, alert })
    }
  }
}

/** The message of an overbought order with which its request and too many fills are there: the last one at the latest. */
function breachOf(messages: TimedMessage[], requested: number): TimedMessage {
  let purchased = 0
  let hasRequest = false
  for (const timed of messages) {
    if (timed.message.kind === 'request') hasRequest = true
    else purchased += timed.message.shares
    if (hasRequest && purchased > requested) return timed
  }
  return messages.at(-1)!
}
