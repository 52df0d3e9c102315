/** A generator that gives the same numbers for the same seed on every machine: xorshift128 (Marsaglia, 2003). */
export class SeededRandom {
  #x: number
  #y: number
  #z: number
  #w: number

  constructor(seed: number) {
    this.#x = scatter(seed + 0x9e3779b9)
    this.#y = scatter(seed + 2 * 0x9e3779b9)
    this.#z = scatter(seed + 3 * 0x9e3779b9)
    this.#w = scatter(seed + 4 * 0x9e3779b9)
  }

  /** A whole number from 0 to n − 1. */
  below(n: number): number {
    const t = this.#x ^ (this.#x << 11)
    this.#x = this.#y
    this.#y = this.#z
    this.#z = this.#w
    this.#w = this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8)
    return Math.floor(((this.#w >>> 0) * n) / 2 ** 32)
  }

  /** True with that probability. */
  chance(probability: number): boolean {
    return this.below(1_000_000) < probability * 1_000_000
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

function scatter(seed: number): number {
  let v = seed | 0
  v = Math.imul(v ^ (v >>> 16), 0x85ebca6b)
  v = Math.imul(v ^ (v >>> 13), 0xc2b2ae35)
  return v ^ (v >>> 16)
}
