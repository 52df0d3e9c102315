/** One text of many versions: 64 bits by two multiplicative hashes (FNV-1a's steps, with different primes and starts). */
export class VersionMix {
  #a = 0x811c9dc5 | 0
  #b = 0x2c9277b5 | 0

  /** A whole number, up to 2^53, or an infinity. */
  add(value: number): this {
    if (!Number.isFinite(value)) return this.addText(String(value))
    const high = Math.floor(value / 0x1_0000_0000)
    this.#step(value | 0)
    this.#step(high)
    return this
  }

  addText(text: string): this {
    for (let i = 0; i < text.length; i++) this.#step(text.charCodeAt(i))
    // Where it ends matters.
    this.#step(-1)
    return this
  }

  get text(): string {
    return (this.#a >>> 0).toString(36) + (this.#b >>> 0).toString(36).padStart(7, '0')
  }

  #step(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193)
    this.#a ^= this.#a >>> 15
    this.#b = Math.imul(this.#b ^ word, 0x5bd1e995)
    this.#b ^= this.#b >>> 13
  }
}
