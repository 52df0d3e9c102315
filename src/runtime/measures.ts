/**
 * Counters that a worker writes and the main thread reads, without a message between them: one shared array of doubles
 * a worker. A reader may see a value a moment old, never a torn one.
 */
const NAMES = [
  'recordsIn',
  'bytesIn',
  'recordsOut',
  'bytesOut',
  'deadLetters',
  'rollbacks',
  'timersFired',
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

export class Measures {
  readonly buffer: SharedArrayBuffer
  readonly #values: Float64Array

  /** `tables`: how many tables of tasks the worker may hold. */
  constructor(tables: number, buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer((TABLES + tables * PER_TABLE) * 8)
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
}
