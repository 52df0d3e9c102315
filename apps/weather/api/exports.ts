/**
 * Files of forecasts that are being sent.
 *
 * 1. Only so many are under way: each costs the database a page of rows at a time.
 * 2. One that nobody takes any more ends: when the client has gone, after a while without any of it being taken, and when
 *    the application stops.
 */
import { Readable } from 'node:stream'
import { AldebaranError, RouteAnswer } from 'aldebaran'
import { EXPORT_FORMATS, type ExportFormat, type ExportSettings } from '../store/export.ts'
import { time } from './parameters.ts'

/** The bytes of a file, piece by piece. What it throws at first is what the request is answered with. */
export type Exporter = (settings: ExportSettings) => AsyncIterable<Uint8Array>

export const exportQuery = {
  from: { type: 'string', description: 'Windows that start at this time or later: ms since 1970, or ISO 8601.' },
  to: { type: 'string', description: 'Windows that start before this time.' },
  format: { type: 'string', enum: EXPORT_FORMATS, default: 'csv' },
} as const

const TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  parquet: 'application/vnd.apache.parquet',
}

export interface ExportsSettings {
  /** null: forecasts are not stored. */
  exporter: Exporter | null
  /** Under way at once. */
  most: number
  /** One of which nothing was taken for so long ends, ms. */
  idleMs: number
}

export class Exports {
  readonly #settings: ExportsSettings
  readonly #streams = new Set<Readable>()
  #open = 0

  constructor(settings: ExportsSettings) {
    this.#settings = settings
  }

  /** Under way. */
  get open(): number {
    return this.#open
  }

  /** @throws AldebaranError NOT_FOUND: they are not stored; OPTION_INVALID, BUSY, and what the exporter throws at first */
  async answer(query: Readonly<Record<string, unknown>>): Promise<RouteAnswer> {
    const { exporter, most } = this.#settings
    if (exporter === null) {
      throw new AldebaranError(
        'NOT_FOUND',
        'forecasts are not stored here, so none can be exported: start it with WEATHER_DATABASE_URL or WEATHER_DATABASE_FOLDER',
      )
    }
    const from = time('from', query.from) ?? Number.NEGATIVE_INFINITY
    const to = time('to', query.to) ?? Number.POSITIVE_INFINITY
    if (!(from < to)) throw new AldebaranError('OPTION_INVALID', 'from: it is not before to', { option: 'from' })
    if (this.#open >= most) throw new AldebaranError('BUSY', `${most} exports are under way already`)
    const format = query.format as ExportFormat
    this.#open++
    let stream: Readable
    try {
      stream = await this.#begin(exporter({ from, to, format })[Symbol.asyncIterator]())
    } catch (error) {
      this.#open--
      throw error
    }
    stream.once('close', () => {
      this.#streams.delete(stream)
      this.#open--
    })
    this.#streams.add(stream)
    return new RouteAnswer(200, stream, {
      'content-type': TYPES[format],
      'content-disposition': `attachment; filename="forecasts.${format}"`,
    })
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy()
  }

  /** With the first piece at hand: until then the answer can be an error. */
  async #begin(chunks: AsyncIterator<Uint8Array>): Promise<Readable> {
    let next: IteratorResult<Uint8Array> | null = await chunks.next()
    const { idleMs } = this.#settings
    let idle: NodeJS.Timeout | undefined
    const wait = (): void => {
      idle = setTimeout(() => stream.destroy(new Error('nobody takes the export')), idleMs)
    }
    const stream: Readable = new Readable({
      read() {
        clearTimeout(idle)
        const taken = next === null ? chunks.next() : Promise.resolve(next)
        next = null
        taken.then(
          ({ value, done }) => {
            if (stream.destroyed) return
            wait()
            stream.push(done ? null : value)
          },
          (error: Error) => stream.destroy(error),
        )
      },
      destroy(error, done) {
        clearTimeout(idle)
        // A page that is being read comes first.
        void Promise.resolve(chunks.return?.()).catch(() => {})
        done(error)
      },
    })
    wait()
    return stream
  }
}
