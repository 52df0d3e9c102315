/** How long something took, of any number of measurements in constant memory: each is known to 2 %, the greatest exactly. */

export interface Quantiles {
  /** ms */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

const LEAST_MS = 0.01
const GROWTH = 1.02
/** Up to more than an hour. */
const BUCKETS = 1000

export class Histogram {
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #max = 0

  /** `weight`: how many took so long. */
  add(ms: number, weight = 1): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / Math.log(GROWTH))
    this.#counts[Math.min(bucket, BUCKETS - 1)]! += weight
    this.#count += weight
    this.#max = Math.max(this.#max, ms)
  }

  /** Null: nothing was measured. */
  quantiles(): Quantiles | null {
    if (this.#count === 0) return null
    return { p50: this.#quantile(0.5), p99: this.#quantile(0.99), max: rounded(this.#max) }
  }

  #quantile(share: number): number {
    let bucket = 0
    for (let left = share * this.#count; bucket < BUCKETS - 1; bucket++) {
      left -= this.#counts[bucket]!
      if (left <= 0) break
    }
    return rounded(Math.min(LEAST_MS * GROWTH ** bucket, this.#max))
  }

  /** Forgets all. */
  clear(): void {
    this.#counts.fill(0)
    this.#count = 0
    this.#max = 0
  }
}

function rounded(ms: number): number {
  return Number(ms.toPrecision(4))
}
