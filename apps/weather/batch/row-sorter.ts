/**
 * Sorts readings by city and time in bounded memory.
 *
 * Invariants
 * 1. The order is stable: rows of one city and time keep the order they were added in.
 * 2. No more than `capacity` rows are held; the rest lies as sorted runs in one file without a name.
 */
import type { HeatIndex } from '../heat-index.ts'
import {
  BLOCK_ROWS,
  type Checkpoint,
  CityDictionary,
  compareCities,
  type ReadingBlock,
  type ReadingSink,
} from './readings.ts'
import { mergeRuns, type Run, RunWriter, SpillFile } from './spill.ts'

/** A row here: its columns, its places in two orders, and what doubling the columns takes on the way. */
const ROW_BYTES = 48
const SMALLEST_CAPACITY = 1024

export class RowSorter {
  readonly #memory: number
  readonly #capacity: number
  #count = 0
  #city = new Int32Array(0)
  #time = new Float64Array(0)
  #heatIndex = new Float64Array(0)
  /** Of the block that was added last: what its cities are here. */
  #theirs: CityDictionary | null = null
  #ours: number[] = []
  #dictionary = new CityDictionary()
  #spill: SpillFile | null = null
  readonly #runs: Run[] = []

  /** @param memory for rows, bytes */
  constructor(memory: number) {
    this.#memory = memory
    this.#capacity = Math.max(SMALLEST_CAPACITY, Math.floor(memory / ROW_BYTES))
  }

  /** Runs that were written to the disk. */
  get runs(): number {
    return this.#runs.length
  }

  add(block: ReadingBlock, heatIndex: HeatIndex): void {
    if (block.dictionary !== this.#theirs) {
      this.#theirs = block.dictionary
      this.#ours = []
    }
    for (let row = 0; row < block.count; row++) {
      if (this.#count === this.#capacity || this.#dictionary.byteLength > this.#memory / 4) this.#spillRows()
      if (this.#count === this.#time.length) this.#grow()
      const at = this.#count++
      this.#city[at] = this.#placeOf(block, block.city[row]!)
      this.#time[at] = block.time[row]!
      this.#heatIndex[at] = heatIndex(block.temperature[row]!, block.humidity[row]!)
    }
  }

  /** Gives all rows to the sink, in order. */
  async drain(sink: ReadingSink, checkpoint: Checkpoint): Promise<void> {
    if (this.#spill === null) {
      const order = this.#order()
      for (let from = 0; from < order.length; from += BLOCK_ROWS) {
        this.#emit(order, from, Math.min(order.length, from + BLOCK_ROWS), sink)
        await checkpoint()
      }
      return
    }
    if (this.#count > 0) this.#spillRows()
    this.#city = new Int32Array(0)
    this.#time = new Float64Array(0)
    this.#heatIndex = new Float64Array(0)
    await mergeRuns(this.#spill, this.#runs, this.#memory, sink, checkpoint)
  }

  close(): void {
    this.#spill?.close()
    this.#spill = null
  }

  #placeOf(block: ReadingBlock, theirs: number): number {
    const known = this.#ours[theirs]
    if (known !== undefined) return known
    const city = block.dictionary.cities[theirs]!
    const place = this.#dictionary.placeOf(city, 0, city.length)
    this.#ours[theirs] = place
    return place
  }

  #grow(): void {
    const length = Math.min(this.#capacity, Math.max(this.#time.length * 2, 1 << 16))
    this.#city = copied(this.#city, new Int32Array(length))
    this.#time = copied(this.#time, new Float64Array(length))
    this.#heatIndex = copied(this.#heatIndex, new Float64Array(length))
  }

  #spillRows(): void {
    this.#spill ??= new SpillFile()
    const writer = new RunWriter(this.#spill)
    const order = this.#order()
    this.#emit(order, 0, order.length, writer)
    this.#runs.push(writer.finish())
    this.#count = 0
    this.#dictionary = new CityDictionary()
    this.#ours = []
  }

  #emit(order: Uint32Array, from: number, to: number, sink: ReadingSink): void {
    const city = this.#city
    let place = from === 0 ? -1 : city[order[from - 1]!]!
    for (let i = from; i < to; i++) {
      const row = order[i]!
      if (city[row] !== place) {
        place = city[row]!
        sink.begin(this.#dictionary.cities[place]!)
      }
      sink.reading(this.#time[row]!, this.#heatIndex[row]!)
    }
  }

  /** The rows in order: counted into their cities, then sorted by time where they are not already. */
  #order(): Uint32Array {
    const count = this.#count
    const { cities } = this.#dictionary
    const ranked = cities.map((_, place) => place).sort((a, b) => compareCities(cities[a]!, cities[b]!))
    const starts = new Uint32Array(cities.length + 1)
    for (let row = 0; row < count; row++) starts[this.#city[row]!]!++
    let start = 0
    for (const place of ranked) {
      const size = starts[place]!
      starts[place] = start
      start += size
    }
    const order = new Uint32Array(count)
    for (let row = 0; row < count; row++) order[starts[this.#city[row]!]!++] = row
    // Each start has moved to the end of its city.
    let scratch: Uint32Array | null = null
    let from = 0
    for (const place of ranked) {
      const to = starts[place]!
      if (!isAscending(order, this.#time, from, to)) {
        scratch ??= new Uint32Array(count)
        sortByTime(order, this.#time, from, to, scratch)
      }
      from = to
    }
    return order
  }
}

function copied<A extends Int32Array | Float64Array>(from: A, to: A): A {
  to.set(from)
  return to
}

function isAscending(order: Uint32Array, time: Float64Array, from: number, to: number): boolean {
  for (let i = from + 1; i < to; i++) if (time[order[i]!]! < time[order[i - 1]!]!) return false
  return true
}

/** A merge sort: stable, and it passes over what is in order. */
function sortByTime(order: Uint32Array, time: Float64Array, from: number, to: number, scratch: Uint32Array): void {
  for (let width = 1; width < to - from; width *= 2) {
    for (let left = from; left + width < to; left += 2 * width) {
      const middle = left + width
      const end = Math.min(middle + width, to)
      if (time[order[middle - 1]!]! <= time[order[middle]!]!) continue
      scratch.set(order.subarray(left, middle), left)
      let a = left
      let b = middle
      for (let i = left; a < middle; i++) {
        const takeRight = b < end && time[order[b]!]! < time[scratch[a]!]!
        order[i] = takeRight ? order[b++]! : scratch[a++]!
      }
    }
  }
}
