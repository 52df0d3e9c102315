/**
 * Readings in, rolling heat indexes out: a whole file, in bounded memory.
 *
 * Input that is sorted by city and time streams. Whether it is, is known at its end only: so its rows go out as they come
 * when the output can be taken back and the input read again, and the first row out of order starts everything again through
 * the sorter. Otherwise everything goes through the sorter, which holds what fits and spills the rest.
 */
import type { Readable, Writable } from 'node:stream'
import { type Formula, heatIndexOf } from '../heat-index.ts'
import type { ByteOutput } from './byte-output.ts'
import { CsvReader, SLACK_BYTES } from './csv-reader.ts'
import { CsvWriter } from './csv-writer.ts'
import { canBeReadAgain, openInput } from './input.ts'
import { LineProblem } from './line-problem.ts'
import { openOutput } from './output.ts'
import { CityDictionary, compareCities, ReadingBlock, type ReadingSink, type RowSink } from './readings.ts'
import { RollingMean } from './rolling-mean.ts'
import type { RowSorter } from './row-sorter.ts'

export interface BatchSettings {
  /** A path (`.gz`: unpacked), or a stream of CSV. */
  readonly input: string | Readable
  /** A path (`.parquet`: Parquet; `.gz`: packed), or a stream that takes CSV. */
  readonly output: string | Writable
  /** Width of the window, ms. Default an hour. */
  readonly freq?: number
  /** Default `regression`. */
  readonly formula?: Formula
  /** Memory for sorting, bytes. Default 256 MB. */
  readonly memory?: number
  /** The input is sorted by city and time: it streams whatever it is, and a row out of order is an error. Default false. */
  readonly sorted?: boolean
  /** Row by row instead, with everything in memory: the oracle. Default false. */
  readonly baseline?: boolean
  /** Bad lines are told to it and left out. Default: the first one is an error. */
  readonly onBadLine?: (message: string) => void
  readonly signal?: AbortSignal
}

export interface BatchReport {
  rows: number
  /** Lines left out. */
  skipped: number
  /** Sorted runs that were written to the disk. */
  runs: number
}

const BUFFER_BYTES = 1 << 20
const LARGEST_ROW = 16 << 20
const HOUR_MS = 3_600_000
/** A dictionary of the reader is given up when it holds more. */
const DICTIONARY_CITIES = 1 << 16
const DICTIONARY_BYTES = 4 << 20

type Consume = (block: ReadingBlock) => Promise<void> | void

/** @throws AldebaranError LINE_INVALID, PACKAGE_MISSING; the reason of the signal */
export async function runBatch(settings: BatchSettings): Promise<BatchReport> {
  const { signal } = settings
  signal?.throwIfAborted()
  const output = await openOutput(settings.output)
  try {
    const report = await new Batch(settings, output).run()
    await output.finish()
    return report
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof LineProblem)) throw error
    const { AldebaranError } = await import('aldebaran')
    const { line, column } = error
    const name = typeof settings.input === 'string' ? settings.input : 'standard input'
    throw new AldebaranError('LINE_INVALID', `${name}: ${error.message}`, { line, column })
  } finally {
    await output.close()
  }
}

class OutOfOrder extends Error {}

class Batch {
  readonly #settings: BatchSettings
  readonly #output: ByteOutput
  #report: BatchReport = { rows: 0, skipped: 0, runs: 0 }

  constructor(settings: BatchSettings, output: ByteOutput) {
    this.#settings = settings
    this.#output = output
  }

  async run(): Promise<BatchReport> {
    const { input, sorted, baseline } = this.#settings
    if (baseline === true) {
      await this.#rowByRow()
    } else if (sorted === true || (this.#output.revocable && canBeReadAgain(input))) {
      try {
        await this.#stream()
      } catch (error) {
        if (!(error instanceof OutOfOrder)) throw error
        await this.#output.restart()
        this.#report = { rows: 0, skipped: 0, runs: 0 }
        await this.#sort()
      }
    } else {
      await this.#sort()
    }
    return this.#report
  }

  async #stream(): Promise<void> {
    const sink = await this.#openSink()
    const rows = new RollingRows(sink, this.#widthMicros)
    const order = new OrderCheck(this.#settings.sorted === true)
    const heatIndex = heatIndexOf(this.#settings.formula ?? 'regression')
    await this.#read(async block => {
      order.check(block, rows, heatIndex)
      await sink.flush()
    })
    await sink.finish()
    this.#report.rows = rows.count
  }

  async #sort(): Promise<void> {
    const { RowSorter } = await import('./row-sorter.ts')
    const sorter: RowSorter = new RowSorter(this.#settings.memory ?? 256e6)
    try {
      const heatIndex = heatIndexOf(this.#settings.formula ?? 'regression')
      await this.#read(block => sorter.add(block, heatIndex))
      const sink = await this.#openSink()
      const rows = new RollingRows(sink, this.#widthMicros)
      await sorter.drain(rows, async () => {
        await sink.flush()
        this.#settings.signal?.throwIfAborted()
      })
      await sink.finish()
      this.#report.rows = rows.count
      this.#report.runs = sorter.runs
    } finally {
      sorter.close()
    }
  }

  async #rowByRow(): Promise<void> {
    const { baselineHeatIndexes } = await import('./baseline.ts')
    const city: string[] = []
    const columns: [time: number[], temperature: number[], humidity: number[]] = [[], [], []]
    await this.#read(block => {
      const names = block.dictionary.cities.map(bytes => Buffer.from(bytes).toString())
      for (let row = 0; row < block.count; row++) {
        city.push(names[block.city[row]!]!)
        columns[0].push(block.time[row]!)
        columns[1].push(block.temperature[row]!)
        columns[2].push(block.humidity[row]!)
      }
    })
    const [time, temperature, humidity] = columns.map(column => Float64Array.from(column)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ]
    const readings = { city, time, temperature, humidity }
    const results = baselineHeatIndexes(readings, this.#widthMicros, this.#settings.formula)
    const sink = await this.#openSink()
    for (const [row, name] of results.city.entries()) {
      sink.begin(Buffer.from(name))
      sink.row(results.time[row]!, results.heatIndex[row]!, results.rollingHeatIndex[row]!)
      await sink.flush()
    }
    await sink.finish()
    this.#report.rows = city.length
  }

  get #widthMicros(): number {
    return (this.#settings.freq ?? HOUR_MS) * 1000
  }

  async #openSink(): Promise<RowSink> {
    const { output } = this.#settings
    if (typeof output !== 'string' || !output.endsWith('.parquet')) return new CsvWriter(this.#output)
    const { ParquetRows } = await import('./parquet-writer.ts')
    return ParquetRows.open(this.#output)
  }

  /** Gives the whole input to `consume`, block by block; the block is the reader's again when it resolves. */
  async #read(consume: Consume): Promise<void> {
    const { input: source, signal, onBadLine } = this.#settings
    const input = await openInput(source)
    const interrupted = (): void => void input.close().catch(() => {})
    signal?.addEventListener('abort', interrupted)
    try {
      const reader = new CsvReader(
        onBadLine === undefined
          ? null
          : problem => {
              this.#report.skipped++
              onBadLine(problem.message)
            },
      )
      const block = new ReadingBlock()
      let buffer = new Uint8Array(BUFFER_BYTES + SLACK_BYTES)
      let end = 0
      for (let last = false; !last; ) {
        if (end + SLACK_BYTES >= buffer.length) {
          if (buffer.length <= LARGEST_ROW) buffer = grown(buffer, end)
          else end = reader.passLong(buffer, end)
        }
        const count = await input.read(buffer.subarray(0, buffer.length - SLACK_BYTES), end)
        signal?.throwIfAborted()
        last = count === 0
        end += count
        let at = 0
        for (let before = -1; at !== before; ) {
          before = at
          at = reader.read(buffer, at, end, last, block)
          if (block.count > 0) {
            await consume(block)
            block.count = 0
            if (isLarge(block.dictionary)) block.dictionary = new CityDictionary()
          }
        }
        buffer.copyWithin(0, at, end)
        end -= at
      }
    } finally {
      signal?.removeEventListener('abort', interrupted)
      await input.close()
    }
  }
}

function isLarge(dictionary: CityDictionary): boolean {
  return dictionary.cities.length > DICTIONARY_CITIES || dictionary.byteLength > DICTIONARY_BYTES
}

/** Room for a row that is longer than the buffer. */
function grown(buffer: Uint8Array, end: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(buffer.length * 2)
  larger.set(buffer.subarray(0, end))
  return larger
}

/** Readings in order become rows of the result. */
class RollingRows implements ReadingSink {
  readonly #sink: RowSink
  readonly #mean: RollingMean
  count = 0

  constructor(sink: RowSink, width: number) {
    this.#sink = sink
    this.#mean = new RollingMean(width)
  }

  begin(city: Uint8Array): void {
    this.#mean.reset()
    this.#sink.begin(city)
  }

  reading(time: number, heatIndex: number): void {
    this.count++
    this.#sink.row(time, heatIndex, this.#mean.add(time, heatIndex))
  }
}

/** Passes on blocks that are sorted by city and time, and what was before them too. */
class OrderCheck {
  readonly #promised: boolean
  #city: Uint8Array | null = null
  #time = 0

  /** @param promised whoever called said so: then it is a mistake of the file */
  constructor(promised: boolean) {
    this.#promised = promised
  }

  check(block: ReadingBlock, sink: ReadingSink, heatIndex: (temperature: number, humidity: number) => number): void {
    const { cities } = block.dictionary
    let place = -1
    for (let row = 0; row < block.count; row++) {
      const time = block.time[row]!
      if (block.city[row] !== place) {
        place = block.city[row]!
        this.#enter(cities[place]!, sink, block.line[row]!)
      }
      if (time < this.#time) this.#refuse(block.line[row]!)
      this.#time = time
      sink.reading(time, heatIndex(block.temperature[row]!, block.humidity[row]!))
    }
  }

  #enter(city: Uint8Array, sink: ReadingSink, line: number): void {
    const order = this.#city === null ? 1 : compareCities(city, this.#city)
    if (order === 0) return
    if (order < 0) this.#refuse(line)
    this.#city = city
    this.#time = Number.NEGATIVE_INFINITY
    sink.begin(city)
  }

  #refuse(line: number): never {
    if (!this.#promised) throw new OutOfOrder()
    throw new LineProblem(line, null, 'it belongs before the line above: leave out --sorted')
  }
}
