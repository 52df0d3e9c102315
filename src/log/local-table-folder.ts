/**
 * The disk tables that this machine keeps beside the log: CHANGELOG/PARTITION/ has the store of one partition, and
 * CHANGELOG/PARTITION.json says of which changelog and in which form it is. What does not fit is deleted.
 *
 * 1. A deletion can be missed: a changelog that is compacted drops the record of it after a while. So a store that lacks
 *    records of the changelog, and is older than half of that while, is not continued.
 */
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AldebaranError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import type { LocalTables, PartitionInfo } from './contract.ts'
import { LmdbStore } from './lmdb-store.ts'
import { LmdbLocalTable } from './local-table.ts'
import { prepareStore } from './store-file.ts'

const FORMAT = 1
/** Address space for each store; one that grows beyond is mapped anew. */
const MAP_BYTES = 4 * 1024 ** 3
const DAY_MS = 86_400_000
/** How long a changelog of a disk table keeps the record of a deletion, ms. */
export const TOMBSTONE_MS = 14 * DAY_MS
/** A store that lacks records, and is older than this, is read anew, ms. */
const MOST_AGE_MS = TOMBSTONE_MS / 2

type Range = Pick<PartitionInfo, 'start' | 'end'>

export interface LocalTableSettings {
  readonly folder: string
  readonly clock: Clock
  /** Tells a topic from every other one of its name; null: that is not known now. */
  readonly identityOf: (topic: string) => string | null
}

export class LocalTableFolder implements LocalTables {
  readonly #settings: LocalTableSettings
  /** By folder; kept open until the end, for what leaves often comes back. */
  readonly #open = new Map<string, LmdbLocalTable>()

  constructor(settings: LocalTableSettings) {
    this.#settings = settings
  }

  /** @throws AldebaranError KAFKA_UNREACHABLE when the changelog cannot be told from others; DISK_FULL, STORE_UNWRITABLE. */
  open(changelog: string, partition: number, form: string, range: Range | null): LmdbLocalTable {
    const { folder, clock, identityOf } = this.#settings
    const topic = identityOf(changelog)
    if (topic === null) {
      throw new AldebaranError('KAFKA_UNREACHABLE', `the brokers do not say now which topic ${changelog} is`, {
        topic: changelog,
      })
    }
    const path = join(folder, changelog, String(partition))
    const meta = JSON.stringify({ format: FORMAT, topic, form })
    const kept = this.#kept(path, meta)
    const why = kept === null || typeof kept === 'string' ? kept : staleness(kept, range, clock.now())
    if (typeof kept === 'object' && kept !== null && why === null) {
      kept.reason = null
      // When it was used last: what is not used for long is deleted.
      utimesSync(`${path}.json`, new Date(), new Date())
      return kept
    }
    const made = this.#make(path, meta)
    made.reason = why
    made.update(() => made.reach(0, clock.now()))
    return made
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(all.map(table => table.close()))
  }

  /** What is there and may be used; a text: why it may not; null: there is nothing. */
  #kept(path: string, meta: string): LmdbLocalTable | string | null {
    const written = read(`${path}.json`)
    if (written === '') return null
    if (written !== meta) return 'it is of another changelog, or was written in another form'
    const known = this.#open.get(path)
    if (known !== undefined && !known.isLost) return known
    try {
      return this.#opened(path)
    } catch (error) {
      if (!(error instanceof AldebaranError) || error.fate !== 'corrupted') throw error
      return error.message
    }
  }

  #make(path: string, meta: string): LmdbLocalTable {
    try {
      rmSync(`${path}.json`, { force: true })
      rmSync(path, { recursive: true, force: true })
      mkdirSync(path, { recursive: true })
      writeFileSync(`${path}.json`, meta)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      throw code === 'ENOSPC'
        ? new AldebaranError('DISK_FULL', `The disk of ${path} has no room for a store`, { path }, error)
        : new AldebaranError('STORE_UNWRITABLE', `${path} cannot be made`, { path }, error)
    }
    return this.#opened(path)
  }

  #opened(path: string): LmdbLocalTable {
    void this.#open.get(path)?.close()
    this.#open.delete(path)
    const file = prepareStore(path, false)
    const table = new LmdbLocalTable(new LmdbStore({ file, durability: 'process', mapBytes: MAP_BYTES }), path)
    this.#open.set(path, table)
    return table
  }
}

/** Why a store cannot be continued from its changelog; null: it can. */
function staleness(table: LmdbLocalTable, range: Range | null, now: number): string | null {
  const { end, asOf } = table
  if (range === null) return 'the changelog does not have the offset up to which it goes'
  if (end === 0 && range.start === 0) return null
  if (end < range.start) return 'its changelog begins behind it'
  // The marker of a transaction may follow the last record, and be told late.
  if (end <= range.end + 1 && range.end <= end + 1) return null
  return now - asOf > MOST_AGE_MS ? 'it is so old that deletions may have been missed' : null
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
