/** The result as CSV: `city,ts,heat_index,rolling_heat_index`, missing values as empty cells. */

import type { ByteOutput } from './byte-output.ts'
import { DECIMAL_BYTES, writeDecimal } from './decimal-writer.ts'
import type { RowSink } from './readings.ts'
import { TIME_BYTES, writeTime } from './time-text.ts'

export const HEADER = 'city,ts,heat_index,rolling_heat_index\n'

const COMMA = 44
const LINE_FEED = 10
const RETURN = 13
const QUOTE = 34
/** Of a time, two numbers and what separates them. */
const ROW_BYTES = TIME_BYTES + 2 * DECIMAL_BYTES + 4
const FLUSH_BYTES = 256 * 1024

export class CsvWriter implements RowSink {
  readonly #output: ByteOutput
  #buffer = Buffer.allocUnsafeSlow(4 * FLUSH_BYTES)
  #at: number
  #city: Uint8Array = new Uint8Array(0)

  constructor(output: ByteOutput) {
    this.#output = output
    this.#at = this.#buffer.write(HEADER)
  }

  begin(city: Uint8Array): void {
    this.#city = cellOf(city)
  }

  row(time: number, heatIndex: number, rolling: number): void {
    const city = this.#city
    if (this.#buffer.length - this.#at < city.length + ROW_BYTES) this.#grow(city.length + ROW_BYTES)
    const buffer = this.#buffer
    let at = this.#at
    for (let i = 0; i < city.length; i++) buffer[at++] = city[i]!
    buffer[at++] = COMMA
    at = writeTime(buffer, at, time)
    buffer[at++] = COMMA
    at = writeNumber(buffer, at, heatIndex)
    buffer[at++] = COMMA
    at = writeNumber(buffer, at, rolling)
    buffer[at++] = LINE_FEED
    this.#at = at
  }

  async flush(): Promise<void> {
    if (this.#at < FLUSH_BYTES) return
    await this.#write()
  }

  async finish(): Promise<void> {
    await this.#write()
  }

  async #write(): Promise<void> {
    const end = this.#at
    this.#at = 0
    await this.#output.write(this.#buffer.subarray(0, end))
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + needed))
    this.#buffer.copy(grown, 0, 0, this.#at)
    this.#buffer = grown
  }
}

/** Missing: nothing. A value that no double holds is written as other programs do. */
function writeNumber(buffer: Buffer, at: number, value: number): number {
  if (value - value === 0) return writeDecimal(buffer, at, value)
  if (Number.isNaN(value)) return at
  return at + buffer.write(value > 0 ? 'inf' : '-inf', at)
}

/** Quoted where it must be. */
function cellOf(city: Uint8Array): Uint8Array {
  if (!city.some(byte => byte === COMMA || byte === QUOTE || byte === LINE_FEED || byte === RETURN)) return city
  const text = Buffer.from(city).toString('latin1').replaceAll('"', '""')
  return Buffer.from(`"${text}"`, 'latin1')
}
