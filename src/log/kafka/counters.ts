/**
 * What a thread counts of its brokers and others read: doubles in shared memory, each written by that thread alone. A word
 * for each name, then one for each api key, so that a request is counted without making anything.
 */
import { API_NAMES } from './wire/api-names.ts'

const NAMES = ['connections', 'connectionFailures', 'recoveries'] as const
/** More than Kafka has; requests with a larger key are not counted. */
const API_KEYS = 128

export type NetworkCounter = (typeof NAMES)[number]

export class NetworkCounters {
  readonly buffer: SharedArrayBuffer
  readonly #values: Float64Array

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer((NAMES.length + API_KEYS) * 8)) {
    this.buffer = buffer
    this.#values = new Float64Array(buffer)
  }

  add(name: NetworkCounter, amount: number): void {
    const index = NAMES.indexOf(name)
    this.#values[index] = this.#values[index]! + amount
  }

  get(name: NetworkCounter): number {
    return this.#values[NAMES.indexOf(name)]!
  }

  /** A request is sent. */
  countRequest(apiKey: number): void {
    if (apiKey >= API_KEYS) return
    const index = NAMES.length + apiKey
    this.#values[index] = this.#values[index]! + 1
  }

  /** Adds the requests sent so far to those in the map, by the names of their apis; none of those never sent. */
  addRequestsTo(requests: Map<string, number>): void {
    for (let key = 0; key < API_KEYS; key++) {
      const count = this.#values[NAMES.length + key]!
      const name = API_NAMES[key] ?? String(key)
      if (count > 0) requests.set(name, (requests.get(name) ?? 0) + count)
    }
  }
}
