/**
 * The audit workload: a message sequence with a known answer, the same in every language, so that unlike programs
 * can be measured and checked against each other. It must not change; `source.ts` is the one with settings.
 *
 * 1. The sequence is a function of `seed` and `messages` alone.
 * 2. All arithmetic is that of 32-bit integers; `below` is exact in doubles (2^32 × 10,000 < 2^53).
 * 3. Nothing is allocated by `next`.
 */
import type { AlertKind } from './rules.ts'

/** Told of each alert that must be raised, when the message that makes it certain is generated. */
export type ExpectAlert = (orderId: number, kind: AlertKind) => void

/** The message a generator stands at. The fields are overwritten by its next one. */
export interface CurrentMessage {
  readonly isRequest: boolean
  readonly orderId: number
  /** The id of the purchase; of no meaning for a request. */
  readonly purchaseId: number
  readonly shares: number
  readonly stock: string
  readonly client: string
}

export const STOCKS = 500
export const CLIENTS = 1000

/** Three letters for each of the 500 stocks. */
export function stockNames(): string[] {
  return Array.from({ length: STOCKS }, (_, stock) => {
    const n = stock * 31
    return String.fromCharCode(65 + (Math.trunc(n / 676) % 26), 65 + (Math.trunc(n / 26) % 26), 65 + (n % 26))
  })
}

/** `client-000` to `client-999`. */
export function clientNames(): string[] {
  return Array.from({ length: CLIENTS }, (_, client) => `client-${String(client).padStart(3, '0')}`)
}

/** Marsaglia's xorshift128 (2003), seeded by the finalizer of MurmurHash3. */
export class Xorshift128 {
  #x: number
  #y: number
  #z: number
  #w: number

  /** `seed`: only its low 32 bits count. */
  constructor(seed: number) {
    this.#x = mix((seed + 0x9e3779b9) | 0)
    this.#y = mix((seed + 2 * 0x9e3779b9) | 0)
    this.#z = mix((seed + 3 * 0x9e3779b9) | 0)
    this.#w = mix((seed + 4 * 0x9e3779b9) | 0)
  }

  /** A whole number from 0 to n − 1; n at most 2^21. */
  below(n: number): number {
    const t = this.#x ^ (this.#x << 11)
    this.#x = this.#y
    this.#y = this.#z
    this.#z = this.#w
    this.#w = this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8)
    return Math.floor(((this.#w >>> 0) * n) / 0x1_0000_0000)
  }
}

function mix(value: number): number {
  let v = value
  v = Math.imul(v ^ (v >>> 16), 0x85ebca6b)
  v = Math.imul(v ^ (v >>> 13), 0xc2b2ae35)
  return v ^ (v >>> 16)
}

/** Orders open at once. */
const OPEN_ORDERS = 10_000
/** More than the purchases of any order: "never" for `#before` and `#over`. */
const NEVER = 99

export class Workload implements CurrentMessage {
  isRequest = false
  orderId = 0
  purchaseId = 0
  shares = 0
  stock = ''
  client = ''

  readonly #messages: number
  readonly #expect: ExpectAlert
  readonly #draw: Xorshift128
  readonly #stocks = stockNames()
  readonly #clients = clientNames()
  #sent = 0
  #ended = false
  #nextOrder = 1
  #nextPurchase = 1

  // One open order a slot.
  readonly #order = new Float64Array(OPEN_ORDERS)
  readonly #purchases = new Int32Array(OPEN_ORDERS)
  readonly #requested = new Int32Array(OPEN_ORDERS)
  readonly #stockOf = new Int32Array(OPEN_ORDERS)
  readonly #clientOf = new Int32Array(OPEN_ORDERS)
  /** How many purchases go before the request. */
  readonly #before = new Int32Array(OPEN_ORDERS)
  /** Which purchase, from 0, buys too much. */
  readonly #over = new Int32Array(OPEN_ORDERS)
  readonly #bought = new Int32Array(OPEN_ORDERS)
  readonly #hasRequest = new Uint8Array(OPEN_ORDERS)

  /** @param messages how many `next` gives */
  constructor(seed: number, messages: number, expect: ExpectAlert) {
    this.#messages = messages
    this.#expect = expect
    this.#draw = new Xorshift128(seed)
    for (let slot = 0; slot < OPEN_ORDERS; slot++) this.#open(slot)
  }

  /** Moves to the next message. Returns false after the last, when every expected alert has been told. */
  next(): boolean {
    if (this.#sent === this.#messages) {
      this.#end()
      return false
    }
    this.#sent++
    const slot = this.#draw.below(OPEN_ORDERS)
    const orderId = this.#order[slot]!
    const before = this.#before[slot]!
    const requested = this.#requested[slot]!
    this.orderId = orderId
    this.stock = this.#stocks[this.#stockOf[slot]!]!
    this.client = this.#clients[this.#clientOf[slot]!]!
    this.isRequest = this.#hasRequest[slot] === 0 && this.#bought[slot] === before
    if (this.isRequest) {
      this.#hasRequest[slot] = 1
      this.shares = requested
    } else {
      const overbuys = this.#bought[slot] === this.#over[slot]
      this.shares = overbuys ? requested + 1 : Math.trunc(requested / this.#purchases[slot]!)
      this.purchaseId = this.#nextPurchase++
      this.#bought[slot]!++
      if (overbuys) this.#expect(orderId, 'OVERBOUGHT')
    }
    const hasRequest = this.#hasRequest[slot] === 1
    if (this.#bought[slot] === this.#purchases[slot] && (hasRequest || before === NEVER)) {
      if (!hasRequest) this.#expect(orderId, 'NO_REQUEST')
      this.#open(slot)
    }
    return true
  }

  /** Orders cut off by the end of the sequence between a purchase and a request that was to come late. */
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    for (let slot = 0; slot < OPEN_ORDERS; slot++) {
      if (this.#bought[slot]! > 0 && this.#hasRequest[slot] === 0) this.#expect(this.#order[slot]!, 'NO_REQUEST')
    }
  }

  /** The order of the draws is part of the workload. */
  #open(slot: number): void {
    const draw = this.#draw
    const kind = draw.below(1000)
    const count = 1 + draw.below(7)
    this.#order[slot] = this.#nextOrder++
    this.#purchases[slot] = count
    this.#requested[slot] = 100 * (1 + draw.below(50))
    this.#stockOf[slot] = draw.below(STOCKS)
    this.#clientOf[slot] = draw.below(CLIENTS)
    const pick = draw.below(count)
    this.#before[slot] = kind === 0 ? NEVER : kind >= 11 && kind <= 60 ? 1 + pick : 0
    this.#over[slot] = kind >= 1 && kind <= 10 ? pick : NEVER
    this.#bought[slot] = 0
    this.#hasRequest[slot] = 0
  }
}
