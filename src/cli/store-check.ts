/** What `aldebaran doctor` looks at in a data folder. Nothing is written: another process may be using it. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AldebaranError, messageOf } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import { openLog } from '../log/host.ts'
import { FORMAT_KEY, OWNER_KEY } from '../log/keys.ts'
import { LmdbStore } from '../log/lmdb-store.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import type { Finding } from './checks.ts'
import { countText, sizeText } from './show-values.ts'

const DATA_FILE = 'store.mdb'
const CHUNK_BYTES = 4 * 1024 * 1024
const MAP_BYTES = 1024 ** 3

/** The stores in a folder: the folder itself, or those of several applications in it. */
export function storesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  if (existsSync(join(folder, DATA_FILE))) return [folder]
  return readdirSync(folder)
    .map(name => join(folder, name))
    .filter(path => existsSync(join(path, DATA_FILE)))
    .sort()
}

/** @param deep read every batch and check its CRC and its records; `progress` is told the bytes so far */
export async function checkStore(folder: string, deep: boolean, progress: (bytes: number) => void): Promise<Finding[]> {
  const check = `store ${folder}`
  try {
    const host = await openLog({ path: folder, readOnly: true })
    try {
      const log = host.client()
      const findings = [summary(check, folder, log)]
      if (deep) findings.push(deepCheck(`batches of ${folder}`, log, progress))
      return findings
    } finally {
      await host.close()
    }
  } catch (error) {
    const remedy = error instanceof AldebaranError ? error.remedy : 'Restore it from a copy.'
    return [{ check, ok: false, found: messageOf(error), remedy }]
  }
}

function summary(check: string, folder: string, log: Log): Finding {
  const topics = log.topics({ internal: true })
  const records = topics
    .flatMap(topic => Array.from({ length: topic.partitions }, (_, partition) => log.partition(topic.name, partition)))
    .reduce((sum, { start, end }) => sum + end - start, 0)
  const file = join(folder, DATA_FILE)
  const size = sizeText(statSync(file).size)
  const contents = `${countText(topics.length)} topics, ${countText(records)} records, ${size}`
  return { check, ok: true, found: `${contents}, ${ownerAndFormat(file)}` }
}

/** The rows that the log keeps of its owner and format. The log is open, so the file is one of ours. */
function ownerAndFormat(file: string): string {
  const store = new LmdbStore({ file, durability: 'disk', mapBytes: MAP_BYTES, readOnly: true })
  const row = (key: Buffer): Record<string, unknown> | null => {
    const bytes = store.get(key)
    return bytes === undefined ? null : (JSON.parse(bytes.toString('utf8', 0, bytes.length)) as Record<string, unknown>)
  }
  try {
    const owner = row(OWNER_KEY)
    const who = owner === null ? 'nobody writes to it' : `owned by process ${owner.pid} on ${owner.host}`
    return `format ${row(FORMAT_KEY)?.format ?? 'not set yet'}, ${who}`
  } finally {
    void store.close()
  }
}

function deepCheck(check: string, log: Log, progress: (bytes: number) => void): Finding {
  const cursor = new BatchCursor()
  const damaged: string[] = []
  let batches = 0
  let bytes = 0
  for (const topic of log.topics({ internal: true })) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      const reader = log.reader(topic.name, partition, 'earliest')
      try {
        while (reader.poll(CHUNK_BYTES)) {
          cursor.reset(reader.chunk, 0, reader.size)
          while (cursor.nextBatch()) {
            while (cursor.next());
            batches++
          }
          bytes += reader.size
          progress(bytes)
        }
      } catch (error) {
        damaged.push(`${topic.name} ${partition}, from offset ${reader.from}: ${messageOf(error)}`)
      } finally {
        reader.close()
      }
    }
  }
  const found = `${countText(batches)} batches, ${sizeText(bytes)}`
  if (damaged.length === 0) return { check, ok: true, found: `${found}: all sound` }
  const remedy = 'Restore the store from a copy, or trim the partition past the damaged offset.'
  return { check, ok: false, found: `${found}; damaged: ${damaged.join('; ')}`, remedy }
}
