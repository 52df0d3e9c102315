/** What the network thread counts and the main thread reads: doubles in shared memory, each written by that thread alone. */
const NAMES = ['connections', 'connectionFailures', 'recoveries'] as const

export type NetworkCounter = (typeof NAMES)[number]

export class NetworkCounters {
  readonly buffer: SharedArrayBuffer
  readonly #values: Float64Array

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(NAMES.length * 8)) {
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
}
