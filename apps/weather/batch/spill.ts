/**
 * Sorted runs of readings on the disk.
 *
 * Invariants
 * 1. All runs lie in one file that has no name as soon as it is open: it is gone when the process is, however that ends.
 * 2. A run is a sequence of doubles: time and heat index of each row. Before the rows of a city stands NaN (which is no
 *    time), the length of its name in bytes, and the name, filled up to whole doubles.
 * 3. Runs are merged in the order they were made in, and of equal rows the earlier run's come first.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BLOCK_ROWS, type Checkpoint, compareCities, type ReadingSink } from './readings.ts'

/** Where a run lies in the file, in bytes. */
export interface Run {
  readonly from: number
  readonly to: number
}

const WRITE_DOUBLES = 1 << 16
const SMALLEST_BUFFER = 1 << 14
const LARGEST_BUFFER = 1 << 20
const MOST_RUNS = 256

export class SpillFile {
  readonly #folder: string
  readonly #fd: number
  #end = 0

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-'))
    this.#fd = openSync(join(this.#folder, 'runs'), 'w+', 0o600)
    this.#remove()
  }

  get end(): number {
    return this.#end
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const written = writeSync(this.#fd, bytes, at, bytes.length - at, this.#end)
      at += written
      this.#end += written
    }
  }

  /** How many bytes there were, from `position` up to the length of `into`. */
  read(into: Uint8Array, at: number, length: number, position: number): number {
    return readSync(this.#fd, into, at, length, position)
  }

  close(): void {
    closeSync(this.#fd)
    this.#remove()
  }

  /** Systems that do not remove an open file let it be removed once it is closed. */
  #remove(): void {
    try {
      rmSync(this.#folder, { recursive: true, force: true })
    } catch (error) {
      if (process.platform !== 'win32') throw error
    }
  }
}

/** Appends one run. */
export class RunWriter implements ReadingSink {
  readonly #file: SpillFile
  readonly #from: number
  readonly #doubles = new Float64Array(WRITE_DOUBLES)
  readonly #bytes = new Uint8Array(this.#doubles.buffer)
  #count = 0

  constructor(file: SpillFile) {
    this.#file = file
    this.#from = file.end
  }

  begin(city: Uint8Array): void {
    this.reading(Number.NaN, city.length)
    this.#flush()
    const name = new Uint8Array(Math.ceil(city.length / 8) * 8)
    name.set(city)
    this.#file.append(name)
  }

  reading(time: number, heatIndex: number): void {
    if (this.#count === WRITE_DOUBLES) this.#flush()
    this.#doubles[this.#count++] = time
    this.#doubles[this.#count++] = heatIndex
  }

  finish(): Run {
    this.#flush()
    return { from: this.#from, to: this.#file.end }
  }

  #flush(): void {
    this.#file.append(this.#bytes.subarray(0, this.#count * 8))
    this.#count = 0
  }
}

class RunReader {
  readonly #file: SpillFile
  readonly #to: number
  readonly #doubles: Float64Array
  readonly #bytes: Uint8Array
  /** In the file, of what is in the buffer behind its end. */
  #position: number
  #at = 0
  #end = 0
  readonly place: number
  city: Uint8Array = new Uint8Array(0)
  time = 0
  heatIndex = 0

  constructor(file: SpillFile, run: Run, place: number, bufferBytes: number) {
    this.#file = file
    this.#position = run.from
    this.#to = run.to
    this.place = place
    this.#doubles = new Float64Array(Math.floor(bufferBytes / 16) * 2)
    this.#bytes = new Uint8Array(this.#doubles.buffer)
  }

  /** Goes to the next row. False: there is none. */
  next(): boolean {
    for (;;) {
      if (this.#at === this.#end && !this.#fill()) return false
      this.time = this.#doubles[this.#at++]!
      this.heatIndex = this.#doubles[this.#at++]!
      if (!Number.isNaN(this.time)) return true
      this.#readCity(this.heatIndex)
    }
  }

  #readCity(length: number): void {
    // What is in the buffer is read again: rows behind the name must begin at its head.
    const from = this.#position - (this.#end - this.#at) * 8
    this.city = new Uint8Array(length)
    this.#file.read(this.city, 0, length, from)
    this.#position = from + Math.ceil(length / 8) * 8
    this.#at = this.#end
  }

  #fill(): boolean {
    const length = Math.min(this.#bytes.length, this.#to - this.#position)
    if (length === 0) return false
    for (let at = 0; at < length; ) at += this.#file.read(this.#bytes, at, length - at, this.#position + at)
    this.#position += length
    this.#at = 0
    this.#end = length / 8
    return true
  }
}

/** Gives the rows of all runs to the sink, in order; several passes are made when memory does not do for one. */
export async function mergeRuns(
  file: SpillFile,
  runs: readonly Run[],
  memory: number,
  sink: ReadingSink,
  checkpoint: Checkpoint,
): Promise<void> {
  const fanIn = Math.max(2, Math.min(MOST_RUNS, Math.floor(memory / SMALLEST_BUFFER)))
  let left = [...runs]
  while (left.length > fanIn) {
    const merged: Run[] = []
    for (let first = 0; first < left.length; first += fanIn) {
      const writer = new RunWriter(file)
      await merge(file, left.slice(first, first + fanIn), memory, writer, checkpoint)
      merged.push(writer.finish())
    }
    left = merged
  }
  await merge(file, left, memory, sink, checkpoint)
}

async function merge(
  file: SpillFile,
  runs: readonly Run[],
  memory: number,
  sink: ReadingSink,
  checkpoint: Checkpoint,
): Promise<void> {
  const bufferBytes = Math.max(SMALLEST_BUFFER, Math.min(LARGEST_BUFFER, Math.floor(memory / runs.length)))
  const heap: RunReader[] = []
  for (const [place, run] of runs.entries()) {
    const reader = new RunReader(file, run, place, bufferBytes)
    if (!reader.next()) continue
    heap.push(reader)
    for (let at = heap.length - 1; at > 0 && before(heap[at]!, heap[(at - 1) >> 1]!); at = (at - 1) >> 1) {
      swap(heap, at, (at - 1) >> 1)
    }
  }
  let city: Uint8Array | null = null
  for (let rows = 1; heap.length > 0; rows++) {
    const first = heap[0]!
    if (city === null || (first.city !== city && compareCities(first.city, city) !== 0)) {
      city = first.city
      sink.begin(city)
    }
    sink.reading(first.time, first.heatIndex)
    if (!first.next()) {
      const last = heap.pop()!
      if (heap.length > 0) heap[0] = last
    }
    for (let at = 0; ; ) {
      let least = at
      for (let child = 2 * at + 1; child <= 2 * at + 2 && child < heap.length; child++) {
        if (before(heap[child]!, heap[least]!)) least = child
      }
      if (least === at) break
      swap(heap, at, least)
      at = least
    }
    if (rows % BLOCK_ROWS === 0) await checkpoint()
  }
  await checkpoint()
}

function before(a: RunReader, b: RunReader): boolean {
  const order = a.city === b.city ? 0 : compareCities(a.city, b.city)
  if (order !== 0) return order < 0
  return a.time < b.time || (a.time === b.time && a.place < b.place)
}

function swap(heap: RunReader[], a: number, b: number): void {
  const other = heap[a]!
  heap[a] = heap[b]!
  heap[b] = other
}
