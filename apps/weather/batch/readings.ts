/** Readings in columns, and the cities they name. Times are whole microseconds since 1970, a missing heat index is NaN. */

/** Rows of a block. Large enough that work between blocks does not count, small enough to stay in the caches. */
export const BLOCK_ROWS = 8192

/** The cities of some rows, each once, as the UTF-8 of their names; a city is known by its place. */
export class CityDictionary {
  readonly cities: Uint8Array[] = []
  /** Of all names. */
  byteLength = 0
  #slots = new Int32Array(64).fill(-1)

  /** The place of a city, which is added if it is new. */
  placeOf(bytes: Uint8Array, from: number, to: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hashOf(bytes, from, to) & mask
    for (; slots[slot]! >= 0; slot = (slot + 1) & mask) {
      const place = slots[slot]!
      if (equals(this.cities[place]!, bytes, from, to)) return place
    }
    const place = this.cities.length
    this.cities.push(bytes.slice(from, to))
    this.byteLength += to - from
    slots[slot] = place
    if (this.cities.length * 2 > slots.length) this.#grow()
    return place
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1)
    const mask = slots.length - 1
    for (const [place, city] of this.cities.entries()) {
      let slot = hashOf(city, 0, city.length) & mask
      while (slots[slot]! >= 0) slot = (slot + 1) & mask
      slots[slot] = place
    }
    this.#slots = slots
  }
}

/** FNV-1a, with its bits mixed once more: the low ones choose the slot. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash ^ (hash >>> 15)
}

export function equals(city: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (city.length !== to - from) return false
  for (let i = 0; i < city.length; i++) if (city[i] !== bytes[from + i]) return false
  return true
}

/** The order of the bytes, which is that of the code points of the names. */
export function compareCities(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

/** Up to {@link BLOCK_ROWS} rows as they were read. */
export class ReadingBlock {
  count = 0
  /** What the places in `city` mean; a later block may have another one. */
  dictionary = new CityDictionary()
  readonly city = new Int32Array(BLOCK_ROWS)
  readonly time = new Float64Array(BLOCK_ROWS)
  /** Missing: NaN. */
  readonly temperature = new Float64Array(BLOCK_ROWS)
  readonly humidity = new Float64Array(BLOCK_ROWS)
  /** The line that a row began at. */
  readonly line = new Float64Array(BLOCK_ROWS)
}

/** Takes readings sorted by city and time, one after the other. */
export interface ReadingSink {
  /** Readings of another city follow. */
  begin(city: Uint8Array): void
  reading(time: number, heatIndex: number): void
}

/** Takes the rows of the result, one after the other. */
export interface RowSink {
  /** Rows of another city follow. */
  begin(city: Uint8Array): void
  /** Missing values are NaN. */
  row(time: number, heatIndex: number, rolling: number): void
  /** Writes what was gathered, if it is enough; between blocks. */
  flush(): Promise<void>
  /** Writes the rest. */
  finish(): Promise<void>
}

/** Awaited between two blocks of rows that go to a sink: it writes what was gathered, and lets signals come. */
export type Checkpoint = () => Promise<void>
