/**
 * A source of trades as a busy firm has them, at any rate, with any share of wrong orders, and with the alerts that
 * must come of it. `workload.ts` is the fixed sequence for measurements; this one has settings.
 *
 * 1. The sequence is a function of the options alone; nothing is allocated by `next`.
 * 2. A sound order is filled to the last share and not one more; an overbought one by one share too many. So a rule
 *    that compares with ≥, or loses a message, is found out.
 * 3. An expected alert is told with the message that makes it certain, or by `finish`.
 *
 * The expected alerts hold while each order's messages are less than Δt apart in all. They are about
 * `openOrders / rate` seconds from one to the next, eight messages at most: keep Δt above 50 × that time.
 */
import { AldebaranError } from 'aldebaran'
import type { AuditMessage } from './json.ts'
import {
  CLIENTS,
  type CurrentMessage,
  clientNames,
  type ExpectAlert,
  STOCKS,
  stockNames,
  Xorshift128,
} from './workload.ts'

export interface TradeSourceOptions {
  /** Messages per second, for `at`. Default 0: all at once. */
  rate?: number
  /** Default 1. */
  seed?: number
  /** Messages until the end. Default: no end. */
  messages?: number
  /** Share of the orders that buy more than requested, 0 to 1. Default 0.01. */
  overbought?: number
  /** Share of the orders whose request never comes, 0 to 1. Default 0.001. */
  unrequested?: number
  /** Share of the orders whose request comes after a purchase, 0 to 1. Default 0.05. */
  reordered?: number
  /** Orders open at once, 1 to 1,000,000. Default: 40 ms of the rate, within 10 to 10,000; 10,000 when the rate is 0. */
  openOrders?: number
  /** Id of the first order and of the first purchase. Default 1. */
  firstId?: number
}

const NEVER = 99
/** Shares of orders are drawn in steps of a millionth. */
const PARTS = 1_000_000

export class TradeSource implements CurrentMessage {
  isRequest = false
  orderId = 0
  purchaseId = 0
  shares = 0
  stock = ''
  client = ''
  /** When the current message is due, ms from the start. */
  at = 0
  /** Messages so far. */
  sent = 0
  readonly openOrders: number

  readonly #rate: number
  readonly #messages: number
  readonly #overbought: number
  readonly #unrequested: number
  readonly #reordered: number
  readonly #expect: ExpectAlert
  readonly #draw: Xorshift128
  readonly #stocks = stockNames()
  readonly #clients = clientNames()
  #finished = false
  #nextOrder: number
  #nextPurchase: number

  // One open order a slot.
  readonly #order: Float64Array
  readonly #purchases: Uint8Array
  readonly #requested: Int32Array
  readonly #stockOf: Uint16Array
  readonly #clientOf: Uint16Array
  /** How many purchases go before the request, or NEVER. */
  readonly #before: Uint8Array
  /** Which purchase, from 0, buys too much, or NEVER. */
  readonly #over: Uint8Array
  readonly #count: Uint8Array
  readonly #bought: Int32Array
  readonly #hasRequest: Uint8Array
  readonly #alerted: Uint8Array

  /**
   * @param expect told of each alert that must be raised
   * @throws AldebaranError OPTION_INVALID
   */
  constructor(options: TradeSourceOptions, expect: ExpectAlert) {
    const rate = options.rate ?? 0
    this.#rate = within('rate', rate, 0, 1e9)
    this.#messages = within('messages', options.messages ?? Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY)
    this.#overbought = PARTS * within('overbought', options.overbought ?? 0.01, 0, 1)
    this.#unrequested = PARTS * within('unrequested', options.unrequested ?? 0.001, 0, 1)
    this.#reordered = PARTS * within('reordered', options.reordered ?? 0.05, 0, 1)
    const usual = rate === 0 ? 10_000 : Math.min(Math.max(Math.round(rate * 0.04), 10), 10_000)
    this.openOrders = whole('openOrders', options.openOrders ?? usual, 1, 1_000_000)
    const firstId = whole('firstId', options.firstId ?? 1, 0, Number.MAX_SAFE_INTEGER)
    this.#expect = expect
    this.#draw = new Xorshift128(whole('seed', options.seed ?? 1, -(2 ** 31), 2 ** 32 - 1))
    this.#nextOrder = firstId
    this.#nextPurchase = firstId
    this.#order = new Float64Array(this.openOrders)
    this.#purchases = new Uint8Array(this.openOrders)
    this.#requested = new Int32Array(this.openOrders)
    this.#stockOf = new Uint16Array(this.openOrders)
    this.#clientOf = new Uint16Array(this.openOrders)
    this.#before = new Uint8Array(this.openOrders)
    this.#over = new Uint8Array(this.openOrders)
    this.#count = new Uint8Array(this.openOrders)
    this.#bought = new Int32Array(this.openOrders)
    this.#hasRequest = new Uint8Array(this.openOrders)
    this.#alerted = new Uint8Array(this.openOrders)
    for (let slot = 0; slot < this.openOrders; slot++) this.#open(slot)
  }

  /** Moves to the next message. Returns false after the last, having called `finish`. */
  next(): boolean {
    if (this.#finished || this.sent >= this.#messages) {
      this.finish()
      return false
    }
    this.at = this.#rate === 0 ? 0 : (this.sent * 1000) / this.#rate
    this.sent++
    const slot = this.#draw.below(this.openOrders)
    this.orderId = this.#order[slot]!
    this.stock = this.#stocks[this.#stockOf[slot]!]!
    this.client = this.#clients[this.#clientOf[slot]!]!
    this.isRequest = this.#hasRequest[slot] === 0 && this.#count[slot] === this.#before[slot]
    if (this.isRequest) {
      this.#hasRequest[slot] = 1
      this.shares = this.#requested[slot]!
    } else {
      this.shares = this.#sharesOf(slot)
      this.purchaseId = this.#nextPurchase++
      this.#count[slot]!++
      this.#bought[slot]! += this.shares
    }
    this.#tell(slot)
    return true
  }

  /** Ends the sequence here: tells the alerts of orders that were bought and will now never be requested. */
  finish(): void {
    if (this.#finished) return
    this.#finished = true
    for (let slot = 0; slot < this.openOrders; slot++) {
      if (this.#count[slot]! > 0 && this.#hasRequest[slot] === 0) this.#expect(this.#order[slot]!, 'NO_REQUEST')
    }
  }

  /** The next purchase of the order: an equal part, what is left, or one more than that. */
  #sharesOf(slot: number): number {
    const requested = this.#requested[slot]!
    const count = this.#count[slot]!
    if (count === this.#over[slot]) return requested - this.#bought[slot]! + 1
    const purchases = this.#purchases[slot]!
    const isLast = count === purchases - 1 && this.#over[slot] === NEVER
    return isLast ? requested - this.#bought[slot]! : Math.trunc(requested / purchases)
  }

  /** Tells what the message just made certain, and replaces an order that is through. */
  #tell(slot: number): void {
    const hasRequest = this.#hasRequest[slot] === 1
    if (hasRequest && this.#alerted[slot] === 0 && this.#bought[slot]! > this.#requested[slot]!) {
      this.#alerted[slot] = 1
      this.#expect(this.orderId, 'OVERBOUGHT')
    }
    const unrequested = this.#before[slot] === NEVER
    if (this.#count[slot] === this.#purchases[slot] && (hasRequest || unrequested)) {
      if (unrequested) this.#expect(this.orderId, 'NO_REQUEST')
      this.#open(slot)
    }
  }

  #open(slot: number): void {
    const draw = this.#draw
    const purchases = 1 + draw.below(7)
    this.#order[slot] = this.#nextOrder++
    this.#purchases[slot] = purchases
    this.#requested[slot] = 100 * (1 + draw.below(50))
    this.#stockOf[slot] = draw.below(STOCKS)
    this.#clientOf[slot] = draw.below(CLIENTS)
    this.#over[slot] = draw.below(PARTS) < this.#overbought ? draw.below(purchases) : NEVER
    const late = draw.below(PARTS) < this.#reordered ? 1 + draw.below(purchases) : 0
    this.#before[slot] = draw.below(PARTS) < this.#unrequested ? NEVER : late
    this.#count[slot] = 0
    this.#bought[slot] = 0
    this.#hasRequest[slot] = 0
    this.#alerted[slot] = 0
  }
}

/** The current message of a generator as one of its own. `ts`: µs since 1970, or null to have the receiver stamp it. */
export function toMessage(current: CurrentMessage, ts: number | null): AuditMessage<number> {
  const { orderId, shares, client, stock } = current
  return current.isRequest
    ? { kind: 'request', id: orderId, shares, client, stock, ts }
    : { kind: 'purchase', id: current.purchaseId, orderId, shares, client, stock, ts }
}

function within(option: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value
  throw new AldebaranError('OPTION_INVALID', `${option}: expected ${least} to ${most}, got ${value}`, { option })
}

function whole(option: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value)) return within(option, value, least, most)
  throw new AldebaranError('OPTION_INVALID', `${option}: expected a whole number, got ${value}`, { option })
}
