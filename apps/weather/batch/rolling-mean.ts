/**
 * The mean over the time range [t − width, t], both ends included, of values that come in the order of time.
 *
 * Invariants
 * 1. A value that is missing or not finite counts in neither sum nor number; without any value the mean is NaN.
 * 2. The window of a row holds the rows up to itself: of several at one time, each later one sees more.
 * 3. The sum is kept as two doubles, with the error of every addition and removal in the second (Neumaier's): hours of
 *    data leave no trace. An empty window starts again from zero.
 */
export class RollingMean {
  readonly #width: number
  /** A ring of the values in the window: its length is a power of two. */
  #times = new Float64Array(64)
  #values = new Float64Array(64)
  #head = 0
  #count = 0
  #sum = 0
  #rest = 0

  /** @param width of the window, in the unit of the times */
  constructor(width: number) {
    this.#width = width
  }

  /** Forgets everything: another city follows. */
  reset(): void {
    this.#head = 0
    this.#count = 0
    this.#sum = 0
    this.#rest = 0
  }

  /**
   * @param time not before that of the last call
   * @param value NaN: missing
   * @returns the mean at that time; NaN: the window holds no value
   */
  add(time: number, value: number): number {
    const times = this.#times
    const mask = times.length - 1
    const start = time - this.#width
    let head = this.#head
    let count = this.#count
    let sum = this.#sum
    let rest = this.#rest
    while (count > 0 && times[head]! < start) {
      const gone = -this.#values[head]!
      const next = sum + gone
      rest += Math.abs(sum) >= Math.abs(gone) ? sum - next + gone : gone - next + sum
      sum = next
      head = (head + 1) & mask
      count--
    }
    if (count === 0) {
      sum = 0
      rest = 0
    }
    // NaN − NaN and ∞ − ∞ are NaN.
    if (value - value === 0) {
      const next = sum + value
      rest += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum
      sum = next
      const at = (head + count) & mask
      times[at] = time
      this.#values[at] = value
      count++
    }
    this.#head = head
    this.#count = count
    this.#sum = sum
    this.#rest = rest
    if (count === times.length) this.#grow()
    return count === 0 ? Number.NaN : (sum + rest) / count
  }

  #grow(): void {
    const length = this.#times.length
    this.#times = unrolled(this.#times, this.#head, length * 2)
    this.#values = unrolled(this.#values, this.#head, length * 2)
    this.#head = 0
  }
}

function unrolled(ring: Float64Array<ArrayBuffer>, head: number, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length)
  grown.set(ring.subarray(head))
  grown.set(ring.subarray(0, head), ring.length - head)
  return grown
}

/**
 * The same over columns that are in memory: the window is a stretch of them, and nothing is copied.
 * @param time ascending in [from, to)
 * @param width of the window, in the unit of the times
 * @param means receives the means of [from, to)
 */
export function rollingMeans(
  time: Float64Array,
  values: Float64Array,
  from: number,
  to: number,
  width: number,
  means: Float64Array,
): void {
  let first = from
  let count = 0
  let sum = 0
  let rest = 0
  for (let row = from; row < to; row++) {
    const start = time[row]! - width
    for (; time[first]! < start; first++) {
      const gone = -values[first]!
      if (gone - gone !== 0) continue
      const next = sum + gone
      rest += Math.abs(sum) >= Math.abs(gone) ? sum - next + gone : gone - next + sum
      sum = next
      count--
    }
    if (count === 0) {
      sum = 0
      rest = 0
    }
    const value = values[row]!
    if (value - value === 0) {
      const next = sum + value
      rest += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum
      sum = next
      count++
    }
    means[row] = count === 0 ? Number.NaN : (sum + rest) / count
  }
}
