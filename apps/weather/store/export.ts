/**
 * Forecasts of a time as a file.
 *
 * Rows are read page by page behind the last one: memory stays the same however long the time is, no transaction is held
 * open at the database, and a replica may take over in between. What is corrected meanwhile is exported in either form.
 */
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { AldebaranError } from 'aldebaran'
import type { Forecast } from '../schemas.ts'
import type { ForecastStore } from './forecast-store.ts'

export const EXPORT_FORMATS = ['csv', 'parquet'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export interface ExportSettings {
  /** Windows that began at `from` or later and before `to`, ms since 1970; infinite: no end. */
  from: number
  to: number
  format: ExportFormat
}

const PAGE_ROWS = 5000
/** Of a row group of Parquet: what is held at a time. */
const GROUP_ROWS = 50_000

/** In the order of the columns. */
const COLUMNS = [
  ['city', 'STRING', row => row.city],
  ['window_start', 'TIMESTAMP', row => row.windowStart],
  ['window_end', 'TIMESTAMP', row => row.windowEnd],
  ['heat_index', 'DOUBLE', row => row.heatIndex],
  ['rolling_heat_index', 'DOUBLE', row => row.rollingHeatIndex],
  ['temperature', 'DOUBLE', row => row.temperature],
  ['humidity', 'DOUBLE', row => row.humidity],
  ['readings', 'INT32', row => row.readings],
  ['timing', 'STRING', row => row.timing],
] as const satisfies readonly (readonly [string, string, (row: Forecast) => string | number | null | undefined])[]

/**
 * The bytes of the file, piece by piece; returns the number of rows. Nothing comes before the first rows were read.
 * @throws AldebaranError PACKAGE_MISSING, POSTGRES_UNAVAILABLE, POSTGRES_REFUSED
 */
export function exportChunks(
  store: Pick<ForecastStore, 'page'>,
  { from, to, format }: ExportSettings,
): AsyncGenerator<Uint8Array, number> {
  return format === 'csv' ? csvChunks(store, from, to) : parquetChunks(store, from, to)
}

/**
 * Resolves with the number of rows when all was taken by `writable`, which is not ended.
 * @throws AldebaranError PACKAGE_MISSING, POSTGRES_UNAVAILABLE, and what `writable` fails with
 */
export async function exportForecasts(
  store: Pick<ForecastStore, 'page'>,
  settings: ExportSettings,
  writable: Writable,
): Promise<number> {
  const chunks = exportChunks(store, settings)
  for (;;) {
    const { value, done } = await chunks.next()
    if (done) return value
    if (writable.errored !== null) throw writable.errored
    if (!writable.write(value)) await once(writable, 'drain')
  }
}

async function* pages(store: Pick<ForecastStore, 'page'>, from: number, to: number): AsyncGenerator<Forecast[]> {
  for (let last: Forecast | undefined; ; ) {
    const rows = await store.page(from, to, last ?? null, PAGE_ROWS)
    if (rows.length > 0) yield rows
    if (rows.length < PAGE_ROWS) return
    last = rows.at(-1)
  }
}

async function* csvChunks(
  store: Pick<ForecastStore, 'page'>,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, number> {
  let count = 0
  let text = `${COLUMNS.map(([name]) => name).join(',')}\n`
  for await (const rows of pages(store, from, to)) {
    for (const row of rows) {
      text += COLUMNS.map(([, type, of]) => csvCell(of(row), type)).join(',')
      text += '\n'
    }
    yield Buffer.from(text)
    text = ''
    count += rows.length
  }
  if (count === 0) yield Buffer.from(text)
  return count
}

function csvCell(value: string | number | null | undefined, type: string): string {
  if (value === null || value === undefined) return ''
  if (type === 'TIMESTAMP') return new Date(value).toISOString()
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

async function* parquetChunks(
  store: Pick<ForecastStore, 'page'>,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array, number> {
  const { ByteWriter, ParquetWriter, schemaFromColumnData } = await loadParquet()
  const columnData = (rows: readonly Forecast[]) =>
    COLUMNS.map(([name, type, of]) => ({
      name,
      type,
      nullable: type === 'DOUBLE',
      data: rows.map(row => (type === 'TIMESTAMP' ? new Date(of(row) as number) : (of(row) ?? null))),
    }))
  const bytes = new ByteWriter()
  const drain = (): Uint8Array => {
    // What was written stays counted in `offset`, by which the file knows its places.
    const chunk = Buffer.from(bytes.getBytes())
    bytes.index = 0
    return chunk
  }
  const writer = new ParquetWriter({ writer: bytes, schema: schemaFromColumnData({ columnData: columnData([]) }) })
  let count = 0
  let group: Forecast[] = []
  const close = async (): Promise<Uint8Array> => {
    await writer.write({ columnData: columnData(group), rowGroupSize: GROUP_ROWS })
    group = []
    return drain()
  }
  for await (const rows of pages(store, from, to)) {
    group.push(...rows)
    count += rows.length
    if (group.length >= GROUP_ROWS) yield await close()
  }
  if (group.length > 0) yield await close()
  await writer.finish()
  yield drain()
  return count
}

async function loadParquet(): Promise<typeof import('hyparquet-writer')> {
  try {
    return await import('hyparquet-writer')
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new AldebaranError('PACKAGE_MISSING', 'Parquet needs hyparquet-writer: npm install hyparquet-writer', {
      package: 'hyparquet-writer',
    })
  }
}
