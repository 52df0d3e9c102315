/**
 * Readings from the bytes of a CSV file, as RFC 4180 writes it and people do: quoted fields, CRLF, a byte order mark, blank
 * lines, columns in any order and others among them.
 *
 * Invariants
 * 1. Only whole rows are taken: what is left of the bytes comes again, with more behind it.
 * 2. A line feed behind the last byte ends every search, so that no loop asks twice whether there is more.
 * 3. A row is complete and sound before anything of it is in the block.
 */
import { decimalEnd, decimalOf, readDecimal } from './decimal-text.ts'
import { LineProblem } from './line-problem.ts'
import { BLOCK_ROWS, equals, type ReadingBlock } from './readings.ts'
import { PLAIN_TIME_BYTES, readPlainTime, timeOf } from './time-text.ts'

export const COLUMNS = ['city', 'ts', 'temperature_f', 'humidity_pct'] as const
type ColumnName = (typeof COLUMNS)[number]

/** What the reader needs behind the bytes it is given: the line feed, and room for a time that is cut off. */
export const SLACK_BYTES = 64

const COMMA = 44
const LINE_FEED = 10
const RETURN = 13
const QUOTE = 34

/** As other readers of CSV take them. */
const MISSING = new Set(
  ' #N/A #N/A N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null'.split(' '),
)
const TEXT = new TextDecoder()
const NONE = new Uint8Array(0)

export class CsvReader {
  readonly #onBad: ((problem: LineProblem) => void) | null
  /** For each column of the file its place in {@link COLUMNS}; -1: not ours. Null: the header has not been read. */
  #roles: Int8Array | null = null
  #line = 1
  #city: Uint8Array = NONE
  #place = -1
  #fieldEnd = 0
  /** Line feeds within quoted fields of this row. */
  #innerLines = 0
  #problem: LineProblem | null = null
  /** The bytes are of a row that was refused, up to the next line feed. */
  #passing = false

  /** @param onBad is told of bad lines, which are left out; null: they are thrown */
  constructor(onBad: ((problem: LineProblem) => void) | null) {
    this.#onBad = onBad
  }

  /** The line that is read next, from 1. */
  get line(): number {
    return this.#line
  }

  /**
   * Fills the block until it is full or the bytes are used up.
   * @param bytes with {@link SLACK_BYTES} behind `to` that it may write to
   * @param last nothing follows
   * @returns where the first row begins that was not taken
   * @throws LineProblem
   */
  read(bytes: Uint8Array, from: number, to: number, last: boolean, block: ReadingBlock): number {
    bytes[to] = LINE_FEED
    let at = this.#passing ? this.#pass(bytes, from, to) : from
    if (this.#passing) return to
    if (this.#roles === null) {
      at = this.#readHeader(bytes, at, to, last)
      if (this.#roles === null) return at
    }
    this.#place = -1
    this.#city = NONE
    while (at < to && block.count < BLOCK_ROWS) {
      const next = this.#readRow(bytes, at, to, last, block)
      if (next < 0) break
      at = next
    }
    return at
  }

  /**
   * Refuses the row that the bytes begin with and do not end: no more is held of one. What lies behind its first line feed is
   * read as rows.
   * @returns how many bytes are left, which it has moved to the front
   * @throws LineProblem
   */
  passLong(bytes: Uint8Array, to: number): number {
    const problem = new LineProblem(this.#line, null, 'it is longer than 16 MB; perhaps a quote is not closed')
    if (this.#onBad === null || this.#roles === null) throw problem
    this.#onBad(problem)
    this.#passing = true
    bytes[to] = LINE_FEED
    const at = this.#pass(bytes, 0, to)
    bytes.copyWithin(0, at, to)
    return to - at
  }

  /** Goes over the rest of a line, as far as it is there. */
  #pass(bytes: Uint8Array, from: number, to: number): number {
    const end = bytes.indexOf(LINE_FEED, from)
    if (end >= to) return to
    this.#passing = false
    this.#line++
    return end + 1
  }

  /** Where the next row begins; -1: this one is not complete. */
  #readRow(bytes: Uint8Array, from: number, to: number, last: boolean, block: ReadingBlock): number {
    const roles = this.#roles!
    const count = roles.length
    let at = from
    this.#innerLines = 0
    if (isEnd(bytes, at)) return this.#passed(bytes, at, to, last)
    let temperature = Number.NaN
    let humidity = Number.NaN
    let time = 0
    let place = -1
    this.#problem = null
    for (let column = 0; ; ) {
      const role = roles[column]!
      let end = -1
      if (role === 0) {
        end = at + this.#city.length
        // The sentinel is no byte of a city's name, so nothing behind it is compared.
        if (this.#place >= 0 && end <= to && bytes[end] === COMMA && equals(this.#city, bytes, at, end)) {
          place = this.#place
        } else {
          place = this.#readCity(bytes, at, to, block)
          end = this.#fieldEnd
        }
      } else if (role === 1) {
        time = readPlainTime(bytes, at)
        end = at + PLAIN_TIME_BYTES
        if (!(time - time === 0 && end <= to && isDelimiter(bytes, end))) {
          time = this.#readTime(bytes, at, to)
          end = this.#fieldEnd
        }
      } else if (role > 1) {
        let value = readDecimal(bytes, at)
        end = decimalEnd
        if (end < 0 || !isDelimiter(bytes, end)) {
          value = this.#readNumber(bytes, at, to, COLUMNS[role]!)
          end = this.#fieldEnd
        }
        if (role === 2) temperature = value
        else humidity = value
      } else {
        this.#field(bytes, at, to)
        end = this.#fieldEnd
      }
      if (end < 0) {
        // Only the end of the file makes an open quote a mistake.
        if (!last) return -1
        this.#bad(null, 'a quote is not closed')
      }
      if (this.#problem !== null) return this.#refused(bytes, from, to, last)
      at = end
      const isLast = ++column === count
      if (bytes[at] === COMMA) {
        if (!isLast) {
          at++
          continue
        }
        this.#bad(null, `it has more fields than the ${count} of the header`)
      } else if (!isEnd(bytes, at)) {
        this.#bad(null, 'something follows the quote that closes a field')
      } else if (!isLast) {
        if (at >= to && !last) return -1
        this.#bad(null, `it has ${column} fields, and the header ${count}`)
      } else {
        break
      }
      return this.#refused(bytes, from, to, last)
    }
    const line = this.#line
    const next = this.#passed(bytes, at, to, last)
    if (next < 0) return -1
    const row = block.count++
    block.city[row] = place
    block.time[row] = time
    block.temperature[row] = temperature
    block.humidity[row] = humidity
    block.line[row] = line
    return next
  }

  /** Goes over the end of a line; -1: there is none yet. */
  #passed(bytes: Uint8Array, at: number, to: number, last: boolean): number {
    const end = bytes[at] === RETURN ? at + 1 : at
    if (end >= to && !last) return -1
    this.#line += 1 + this.#innerLines
    this.#innerLines = 0
    return end + 1
  }

  #readCity(bytes: Uint8Array, at: number, to: number, block: ReadingBlock): number {
    const city = this.#field(bytes, at, to)
    if (this.#fieldEnd < 0) return -1
    if (city.length === 0) {
      this.#bad('city', 'it is empty')
      return -1
    }
    // A row that is refused later leaves at most its city in the dictionary.
    this.#place = block.dictionary.placeOf(city, 0, city.length)
    this.#city = block.dictionary.cities[this.#place]!
    return this.#place
  }

  #readTime(bytes: Uint8Array, at: number, to: number): number {
    const text = TEXT.decode(this.#field(bytes, at, to))
    const time = timeOf(text)
    if (Number.isNaN(time) && this.#fieldEnd >= 0)
      this.#bad('ts', `'${shown(text)}' is no ISO 8601 time to the microsecond`)
    return time
  }

  #readNumber(bytes: Uint8Array, at: number, to: number, column: ColumnName): number {
    const field = this.#field(bytes, at, to)
    if (field.length === 0) return Number.NaN
    const value = decimalOf(field, 0, field.length)
    if (Number.isFinite(value)) return value
    const text = TEXT.decode(field)
    if (!MISSING.has(text.trim())) this.#bad(column, `'${shown(text)}' is no number`)
    return Number.NaN
  }

  /** The bytes of a field without its quotes; `#fieldEnd` is behind it, or -1 when its quote is not closed. */
  #field(bytes: Uint8Array, from: number, to: number): Uint8Array {
    let at = from
    if (bytes[at] !== QUOTE) {
      while (bytes[at] !== COMMA && bytes[at] !== LINE_FEED) at++
      if (bytes[at] === LINE_FEED && at > from && bytes[at - 1] === RETURN) at--
      this.#fieldEnd = at
      return bytes.subarray(from, at)
    }
    let doubled = false
    let lines = 0
    for (at++; at < to; at++) {
      if (bytes[at] === LINE_FEED) lines++
      if (bytes[at] !== QUOTE) continue
      if (at + 1 < to && bytes[at + 1] === QUOTE) {
        doubled = true
        at++
        continue
      }
      this.#fieldEnd = at + 1
      this.#innerLines += lines
      const inner = bytes.subarray(from + 1, at)
      return doubled ? Buffer.from(Buffer.from(inner).toString('latin1').replaceAll('""', '"'), 'latin1') : inner
    }
    this.#fieldEnd = -1
    return NONE
  }

  #bad(column: string | null, reason: string): void {
    this.#problem ??= new LineProblem(this.#line, column, reason)
  }

  /** Tells what is wrong with a row, and goes over it. */
  #refused(bytes: Uint8Array, from: number, to: number, last: boolean): number {
    let quoted = false
    let lines = 0
    let at = from
    for (; at < to; at++) {
      const byte = bytes[at]
      if (byte === QUOTE && quoted && bytes[at + 1] === QUOTE) at++
      else if (byte === QUOTE) quoted = !quoted && (at === from || bytes[at - 1] === COMMA)
      else if (byte === LINE_FEED && !quoted) break
      else if (byte === LINE_FEED) lines++
    }
    if (at >= to && !last) return -1
    if (this.#onBad === null) throw this.#problem
    this.#onBad(this.#problem!)
    if (quoted && at >= to) {
      // The quote was a slip: the lines behind it are read as if it had not been there.
      at = bytes.indexOf(LINE_FEED, from)
      lines = 0
    }
    this.#line += 1 + lines
    return at + 1
  }

  #readHeader(bytes: Uint8Array, from: number, to: number, last: boolean): number {
    if (!last && bytes.subarray(from, to).indexOf(LINE_FEED) < 0) return from
    const marked = to - from >= 3 && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf
    let at = marked ? from + 3 : from
    const names: string[] = []
    for (;;) {
      names.push(TEXT.decode(this.#field(bytes, at, to)).trim())
      if (this.#fieldEnd < 0) throw new LineProblem(1, null, 'a quote is not closed')
      at = this.#fieldEnd
      if (bytes[at] !== COMMA) break
      at++
    }
    if (!isEnd(bytes, at)) throw new LineProblem(1, null, 'something follows the quote that closes a field')
    for (const column of COLUMNS) {
      const times = names.filter(name => name === column).length
      if (times === 1) continue
      const wrong = times === 0 ? 'has no such column' : 'has that column twice'
      throw new LineProblem(1, column, `the header ${wrong}; it must name ${COLUMNS.join(', ')}`)
    }
    this.#roles = Int8Array.from(names, name => COLUMNS.indexOf(name as ColumnName))
    return this.#passed(bytes, at, to, true)
  }
}

function isEnd(bytes: Uint8Array, at: number): boolean {
  const byte = bytes[at]!
  return byte === LINE_FEED || (byte === RETURN && bytes[at + 1] === LINE_FEED)
}

function isDelimiter(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === COMMA || isEnd(bytes, at)
}

/** A value as a message shows it. */
function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}
