/**
 * Counters that a worker writes and the main thread reads, without a message between them: one shared array of doubles
 * a worker. A reader may see a value a moment old, never a torn one.
 */
import { DELIVERY_COUNTS, DELIVERY_LEVELS, type Levels } from '../delivery/environment.ts'

const NAMES = [
  'recordsIn',
  'bytesIn',
  'recordsOut',
  'bytesOut',
  'deadLetters',
  'rollbacks',
  'timersFired',
  'lateRecords',
  'commits',
  'commitMs',
  'latencyMs',
  'latencyCount',
  'restoredRecords',
  'restoreMs',
  'restarts',
  /** Of the memory budget, as a level: what a worker that ends abruptly leaves to be given back. */
  'chargedBytes',
] as const

export type MeasureName = (typeof NAMES)[number]

/** Upper bounds of the histogram buckets, in ms; the last is open. */
export const BUCKETS_MS = [0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 25, 50, 100, 250, 1000, 5000] as const
const HISTOGRAM = BUCKETS_MS.length + 1
const COMMIT_HISTOGRAM = NAMES.length
const LATENCY_HISTOGRAM = COMMIT_HISTOGRAM + HISTOGRAM
const TABLES = LATENCY_HISTOGRAM + HISTOGRAM
const PER_TABLE = 2
const OF_DELIVERY = [...DELIVERY_COUNTS, 'tryMs', ...DELIVERY_LEVELS] as const

export type DeliveryMeasure = (typeof OF_DELIVERY)[number]

/** How many tables, deliveries, and counters of their own, of tasks a worker may hold. */
export interface MeasureSizes {
  readonly tables: number
  readonly deliveries: number
  readonly counters: number
}

export class Measures {
  readonly buffer: SharedArrayBuffer
  readonly #values: Float64Array
  /** Where those of deliveries begin. */
  readonly #deliveries: number
  /** Where their own counters begin. */
  readonly #counters: number

  constructor({ tables, deliveries, counters }: MeasureSizes, buffer?: SharedArrayBuffer) {
    this.#deliveries = TABLES + tables * PER_TABLE
    this.#counters = this.#deliveries + deliveries * OF_DELIVERY.length
    const size = this.#counters + counters
    this.buffer = buffer ?? new SharedArrayBuffer(size * 8)
    this.#values = new Float64Array(this.buffer)
  }

  add(name: MeasureName, amount: number): void {
    const i = NAMES.indexOf(name)
    this.#values[i] = this.#values[i]! + amount
  }

  get(name: MeasureName): number {
    return this.#values[NAMES.indexOf(name)]!
  }

  commit(ms: number): void {
    this.add('commits', 1)
    this.add('commitMs', ms)
    this.#observe(COMMIT_HISTOGRAM, ms)
  }

  latency(ms: number): void {
    this.add('latencyMs', ms)
    this.add('latencyCount', 1)
    this.#observe(LATENCY_HISTOGRAM, ms)
  }

  #observe(at: number, ms: number): void {
    let bucket = 0
    while (bucket < BUCKETS_MS.length && ms > BUCKETS_MS[bucket]!) bucket++
    this.#values[at + bucket] = this.#values[at + bucket]! + 1
  }

  /** Counts a bucket, not cumulated. */
  histogram(name: 'commit' | 'latency'): Float64Array {
    const at = name === 'commit' ? COMMIT_HISTOGRAM : LATENCY_HISTOGRAM
    return this.#values.slice(at, at + HISTOGRAM)
  }

  setTable(index: number, rows: number, bytes: number): void {
    this.#values[TABLES + index * PER_TABLE] = rows
    this.#values[TABLES + index * PER_TABLE + 1] = bytes
  }

  table(index: number): { rows: number; bytes: number } {
    return {
      rows: this.#values[TABLES + index * PER_TABLE]!,
      bytes: this.#values[TABLES + index * PER_TABLE + 1]!,
    }
  }

  addDelivery(index: number, name: DeliveryMeasure, amount: number): void {
    const i = this.#ofDelivery(index, name)
    this.#values[i] = this.#values[i]! + amount
  }

  setDelivery(index: number, levels: Readonly<Levels>): void {
    for (const [name, level] of Object.entries(levels)) {
      this.#values[this.#ofDelivery(index, name as DeliveryMeasure)] = level
    }
  }

  delivery(index: number, name: DeliveryMeasure): number {
    return this.#values[this.#ofDelivery(index, name)]!
  }

  addCounter(index: number, amount: number): void {
    this.#values[this.#counters + index] = this.#values[this.#counters + index]! + amount
  }

  counter(index: number): number {
    return this.#values[this.#counters + index]!
  }

  #ofDelivery(index: number, name: DeliveryMeasure): number {
    return this.#deliveries + index * OF_DELIVERY.length + OF_DELIVERY.indexOf(name)
  }
}
