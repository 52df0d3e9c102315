/**
 * Compares the alerts that came with those that were to come, by (order id, kind), for many millions of orders.
 *
 * 1. Expectations and sightings may come in any order; the counts are right at any time.
 * 2. An order takes one byte while its id is below `DENSE_IDS` (generated ids count up from 1); any other id takes
 *    an entry of a map.
 */

import { ALERT_KINDS, type AlertKind } from '../apps/audit/rules.ts'
import { AldebaranError } from '../src/errors.ts'

/** 128 M orders: at most 128 MB. */
const DENSE_IDS = 2 ** 27

/** Bits of an order; those of NO_REQUEST are two further left. */
const EXPECTED = 1
const SEEN = 2

export class AlertCheck {
  /** Alerts to come, each (order, kind) once. */
  expected = 0
  /** Alerts seen, each (order, kind) once. */
  seen = 0
  /** Sightings of what had been seen before, expected or not. */
  duplicates = 0
  #matched = 0
  #dense: Uint8Array
  readonly #sparse = new Map<number, number>()

  /** @param orders how many orders to make room for at once; more are fine */
  constructor(orders = 65_536) {
    this.#dense = new Uint8Array(Math.min(orders + 1, DENSE_IDS))
  }

  /** Expected and not seen. */
  get missing(): number {
    return this.expected - this.#matched
  }

  /** Seen and not expected. */
  get unexpected(): number {
    return this.seen - this.#matched
  }

  /** Every expected alert came, once, and no other. */
  get correct(): boolean {
    return this.missing === 0 && this.duplicates === 0 && this.unexpected === 0
  }

  expect(orderId: number, kind: AlertKind): void {
    const shift = kind === 'OVERBOUGHT' ? 0 : 2
    const bits = this.#get(orderId)
    if ((bits & (EXPECTED << shift)) !== 0) return
    this.#set(orderId, bits | (EXPECTED << shift))
    this.expected++
    if ((bits & (SEEN << shift)) !== 0) this.#matched++
  }

  see(orderId: number, kind: AlertKind): void {
    const shift = kind === 'OVERBOUGHT' ? 0 : 2
    const bits = this.#get(orderId)
    if ((bits & (SEEN << shift)) !== 0) {
      this.duplicates++
      return
    }
    this.#set(orderId, bits | (SEEN << shift))
    this.seen++
    if ((bits & (EXPECTED << shift)) !== 0) this.#matched++
  }

  /**
   * Takes one line of an expected file, `ORDER_ID KIND`; empty lines and lines that begin with # say nothing.
   * @throws AldebaranError VALUE_INVALID
   */
  expectLine(line: string): void {
    if (line === '' || line.startsWith('#')) return
    const space = line.indexOf(' ')
    const kind = ALERT_KINDS.find(known => known === line.slice(space + 1))
    const orderId = Number(line.slice(0, space))
    if (space < 1 || kind === undefined || !Number.isSafeInteger(orderId)) {
      throw new AldebaranError(
        'VALUE_INVALID',
        `expected a line ORDER_ID KIND, got ${JSON.stringify(line.slice(0, 80))}`,
      )
    }
    this.expect(orderId, kind)
  }

  /** The first missing and unexpected alerts, for a person to look at. */
  samples(limit = 5): { missing: string[]; unexpected: string[] } {
    const missing: string[] = []
    const unexpected: string[] = []
    const look = (orderId: number, bits: number): void => {
      for (const [index, kind] of ALERT_KINDS.entries()) {
        const own = (bits >> (2 * index)) & (EXPECTED | SEEN)
        if (own === EXPECTED && missing.length < limit) missing.push(`${orderId} ${kind}`)
        if (own === SEEN && unexpected.length < limit) unexpected.push(`${orderId} ${kind}`)
      }
    }
    if (this.missing > 0 || this.unexpected > 0) {
      for (let orderId = 0; orderId < this.#dense.length; orderId++) {
        const bits = this.#dense[orderId]!
        if (bits !== 0) look(orderId, bits)
      }
      for (const [orderId, bits] of this.#sparse) look(orderId, bits)
    }
    return { missing, unexpected }
  }

  #get(orderId: number): number {
    return isDense(orderId) ? (this.#dense[orderId] ?? 0) : (this.#sparse.get(orderId) ?? 0)
  }

  #set(orderId: number, bits: number): void {
    if (!isDense(orderId)) {
      this.#sparse.set(orderId, bits)
      return
    }
    if (orderId >= this.#dense.length) {
      const grown = new Uint8Array(Math.min(Math.max(this.#dense.length * 2, orderId + 1), DENSE_IDS))
      grown.set(this.#dense)
      this.#dense = grown
    }
    this.#dense[orderId] = bits
  }
}

function isDense(orderId: number): boolean {
  return (orderId | 0) === orderId && orderId >= 0 && orderId < DENSE_IDS
}
