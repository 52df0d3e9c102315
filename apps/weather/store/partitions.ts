/**
 * The parts of the table `forecasts`, by the time of the windows (UTC).
 *
 * 1. A part is there before a row needs it: those of the next days (or months), and those of a batch before it.
 * 2. What is older than the retention goes as a whole part, when all of it is.
 */
import { parseDuration } from 'aldebaran'
import type { RunQuery, SinkRows } from 'aldebaran/postgres'
import type { PartitionUnit } from './schema.ts'

export interface PartitionSettings {
  unit: PartitionUnit
  /** Parts with windows older than that are dropped, by the clock; null: none is. '30d' or ms. */
  retention: string | number | null
}

/** Parts made ahead. */
const AHEAD = 3
const CARE_EVERY_MS = 3_600_000

export class ForecastPartitions {
  readonly #unit: PartitionUnit
  readonly #retentionMs: number | null
  readonly #now: () => number
  /** By begin, ms. */
  readonly #known = new Set<number>()
  #caredAt = Number.NEGATIVE_INFINITY

  /** `now`: ms since 1970. @throws AldebaranError OPTION_INVALID */
  constructor({ unit, retention }: PartitionSettings, now: () => number = Date.now) {
    this.#unit = unit
    this.#retentionMs = retention === null ? null : parseDuration(retention, 'retention')
    this.#now = now
  }

  /** Another session: what is known may have changed. */
  forget(): void {
    this.#known.clear()
    this.#caredAt = Number.NEGATIVE_INFINITY
  }

  /** To be called before rows are written. */
  async prepare(query: RunQuery, rows: SinkRows): Promise<void> {
    await this.care(query)
    const { rows: days } = await query<{ day: string }>(
      `SELECT DISTINCT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM unnest($1::text::timestamptz[]) AS at`,
      [rows.column('window_start')],
    )
    for (const { day } of days) await this.#make(query, Date.parse(`${day}T00:00:00Z`))
  }

  /** Once an hour: makes parts ahead, and drops those that are too old. @returns the names of those dropped */
  async care(query: RunQuery): Promise<string[]> {
    const now = this.#now()
    if (now - this.#caredAt < CARE_EVERY_MS) return []
    this.#caredAt = now
    for (let ahead = 0, at = now; ahead <= AHEAD; ahead++) {
      await this.#make(query, at)
      at = endOf(beginOf(at, this.#unit), this.#unit)
    }
    return this.#retentionMs === null ? [] : await this.#drop(query, now - this.#retentionMs)
  }

  async #make(query: RunQuery, at: number): Promise<void> {
    const begin = beginOf(at, this.#unit)
    if (this.#known.has(begin)) return
    const end = endOf(begin, this.#unit)
    await query(
      `CREATE TABLE IF NOT EXISTS ${nameOf(begin, this.#unit)} PARTITION OF forecasts
        FOR VALUES FROM ('${new Date(begin).toISOString()}') TO ('${new Date(end).toISOString()}')`,
    )
    this.#known.add(begin)
  }

  async #drop(query: RunQuery, before: number): Promise<string[]> {
    const { rows } = await query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'forecasts'::regclass ORDER BY c.relname`,
    )
    const dropped: string[] = []
    for (const { name } of rows) {
      const begin = beginFromName(name)
      if (begin === null || endOf(begin, this.#unit) > before) continue
      try {
        await query(`DROP TABLE ${name}`)
      } catch {
        // A long report reads it: the writer is not to wait for that. It is tried again in an hour.
        continue
      }
      this.#known.delete(begin)
      dropped.push(name)
    }
    return dropped
  }
}

function beginOf(ms: number, unit: PartitionUnit): number {
  const at = new Date(ms)
  return utc(at.getUTCFullYear(), at.getUTCMonth(), unit === 'day' ? at.getUTCDate() : 1)
}

function endOf(begin: number, unit: PartitionUnit): number {
  const at = new Date(begin)
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()]
  return unit === 'day' ? utc(year, month, day + 1) : utc(year, month + 1, 1)
}

/** `Date.UTC` takes the years before 100 for those after 1900. */
function utc(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month, day)
}

/** forecasts_20240201 or forecasts_202402 */
function nameOf(begin: number, unit: PartitionUnit): string {
  const digits = new Date(begin).toISOString().slice(0, 10).replaceAll('-', '')
  return `forecasts_${unit === 'day' ? digits : digits.slice(0, 6)}`
}

function beginFromName(name: string): number | null {
  const found = /^forecasts_(\d{4})(\d\d)(\d\d)?$/.exec(name)
  return found === null ? null : utc(Number(found[1]), Number(found[2]) - 1, Number(found[3] ?? '01'))
}
