/**
 * The versions of the rows of all tables, in a topic of the application: key is the table id, value the definition of
 * its rows, as `rowDefinition` gives it.
 *
 * 1. The number of a version is the ordinal, from 1, of its first appearance among the records of its table.
 * 2. A version is in use only after it was read from the topic: so processes that start at once agree on the numbers,
 *    whoever appends first. The topic is never trimmed.
 */
import { AldebaranError } from '../errors.ts'
import type { Log, PartitionReader } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { checkRowEvolution } from '../state/evolution.ts'

const POLL_BYTES = 1024 * 1024
/** How often a topic that grows is looked at, though the log would tell, ms. */
const LOOK_MS = 1000
/** Where versions were kept before there was the topic: a table of the embedded log, with the keys 'table id/number'. */
const FORMER_TABLE = 'aldebaran.row-versions'

/** Every version of the rows of a table that was ever in use, and the one in use now. */
export interface RowVersions {
  current: number
  definitions: Map<number, string>
}

type VersionRecord = readonly [id: string, definition: string]

export function tableId(application: string, pipeline: string, table: string): string {
  return `${application}.${pipeline}.${table}`
}

function versionsTopic(application: string): string {
  return `${application}.row-versions`
}

/** Reads the topic on; what it has read is `found`. */
class VersionsReader {
  /** By table id, then by number − 1. */
  readonly found = new Map<string, string[]>()
  readonly #reader: PartitionReader
  readonly #cursor = new BatchCursor({ verified: true })

  constructor(log: Log, application: string) {
    this.#reader = log.reader(versionsTopic(application), 0, 'earliest')
  }

  get isAtEnd(): boolean {
    return this.#reader.position >= this.#reader.end()
  }

  /** False: there is nothing now. */
  poll(): boolean {
    const reader = this.#reader
    if (!reader.poll(POLL_BYTES)) return false
    const cursor = this.#cursor
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      if (cursor.isControl) continue
      while (cursor.next()) if (cursor.offset >= reader.from) this.#add(cursor)
    }
    return true
  }

  close(): void {
    this.#reader.close()
  }

  #add(cursor: BatchCursor): void {
    const id = cursor.bytes.toString('utf8', cursor.keyStart, cursor.keyEnd)
    const definition = cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueEnd)
    const definitions = this.found.get(id) ?? []
    if (!definitions.includes(definition)) definitions.push(definition)
    this.found.set(id, definitions)
  }
}

/**
 * Finds the version of each table's rows, and adds those that are new.
 * @param tables the definition of the rows in use, by table id
 * @throws AldebaranError SCHEMA_INCOMPATIBLE for rows that changed in a way that stored ones cannot follow.
 */
export async function keepRowVersions(
  log: Log,
  application: string,
  tables: ReadonlyMap<string, string>,
): Promise<Map<string, RowVersions>> {
  const topic = versionsTopic(application)
  await log.createTopic(topic, { partitions: 1, internal: true })
  const reader = new VersionsReader(log, application)
  try {
    while (!reader.isAtEnd) if (!reader.poll()) await log.changed(LOOK_MS)
    const missing: VersionRecord[] = []
    for (const [id, definition] of tables) {
      const known = reader.found.get(id)
      const older = known ?? formerVersions(log, id)
      if (known === undefined) for (const one of older) missing.push([id, one])
      if (older.includes(definition)) continue
      checkVersions(id, older, definition)
      missing.push([id, definition])
    }
    if (missing.length > 0) {
      await log.commit({ appends: [{ topic, partition: 0, batch: batchOf(missing) }] })
      const isRead = ([id, definition]: VersionRecord) => reader.found.get(id)?.includes(definition) === true
      while (!missing.every(isRead)) if (!reader.poll()) await log.changed(LOOK_MS)
    }
    return new Map(
      [...tables].map(([id, definition]) => {
        const versions = versionsOf(reader.found.get(id)!, definition)
        // Another process may have added one meanwhile.
        checkVersions(id, [...versions.definitions.values()].slice(0, versions.current - 1), definition)
        return [id, versions]
      }),
    )
  } finally {
    reader.close()
  }
}

/**
 * Reads the topic again, for versions that other processes have added since: a row of theirs was met. Blocks the thread
 * while it is read, which is short.
 */
export function learnRowVersions(log: Log, application: string, versions: ReadonlyMap<string, RowVersions>): void {
  const reader = new VersionsReader(log, application)
  try {
    while (!reader.isAtEnd) if (!reader.poll()) log.wait(LOOK_MS)
  } finally {
    reader.close()
  }
  for (const [id, { definitions }] of versions) {
    for (const [index, definition] of (reader.found.get(id) ?? []).entries()) definitions.set(index + 1, definition)
  }
}

function versionsOf(definitions: readonly string[], current: string): RowVersions {
  return {
    current: definitions.indexOf(current) + 1,
    definitions: new Map(definitions.map((definition, index) => [index + 1, definition])),
  }
}

function checkVersions(id: string, older: readonly string[], definition: string): void {
  for (const one of older) {
    const reasons = checkRowEvolution(one, definition)
    if (reasons.length === 0) continue
    const table = id.slice(id.lastIndexOf('.') + 1)
    throw new AldebaranError(
      'SCHEMA_INCOMPATIBLE',
      `the rows of table '${table}' changed in a way that stored rows cannot follow: ${reasons.join('; ')}`,
      { table },
    )
  }
}

/** In the order of their numbers. */
function formerVersions(log: Log, id: string): string[] {
  if (!log.capabilities.tables) return []
  const definitions: string[] = []
  for (const [key, value] of log.tableRange(FORMER_TABLE, Buffer.from(`${id}/`), Buffer.from(`${id}0`))) {
    definitions[Number(key.toString().slice(id.length + 1)) - 1] = value.toString()
  }
  return definitions
}

function batchOf(records: readonly VersionRecord[]): Buffer {
  const writer = new BatchWriter()
  writer.begin()
  for (const [id, definition] of records) {
    const key = Buffer.from(id)
    const value = Buffer.from(definition)
    writer.append(-1, key, 0, key.length, value, 0, value.length)
  }
  return Buffer.from(writer.finish())
}
