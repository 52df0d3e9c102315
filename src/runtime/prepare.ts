import { AldebaranError } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import { TOMBSTONE_MS } from '../log/local-table-folder.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import { rowDefinition } from '../state/evolution.ts'
import { type Application, changelogOf } from './application.ts'
import { keepRowVersions, type RowVersions, tableId } from './row-versions.ts'
import { hasChangelog } from './task-state.ts'

/**
 * Makes the log ready for an application: creates its topics, checks those that are there, and keeps the version of
 * each table's rows. Throws what does not fit, before anything runs.
 */
export async function prepare(app: Application, log: Log): Promise<Map<string, RowVersions>> {
  const known = new Map(log.topics({ internal: true }).map(info => [info.name, info]))
  const all = new Set<AnyTopic>([...app.topics, ...app.topologies.flatMap(one => one.topics), app.deadLetters])
  for (const topic of all) {
    const there = known.get(topic.name)
    if (there === undefined && topic.external) {
      throw new AldebaranError(
        'TOPIC_UNKNOWN',
        `application '${app.name}' needs topic '${topic.name}', which does not exist`,
        {
          topic: topic.name,
        },
      )
    }
    if (there !== undefined && there.partitions !== topic.options.partitions) {
      throw new AldebaranError(
        'TOPIC_EXISTS',
        `topic '${topic.name}' has ${there.partitions} partitions, not the ${topic.options.partitions} of the code`,
        { topic: topic.name },
      )
    }
    // What an external topic keeps, and for how long, is its owner's to say.
    if (!topic.external) await log.createTopic(topic.name, topic.options)
  }
  const definitions = new Map<string, string>()
  for (const topology of app.topologies) {
    for (const part of topology.parts) {
      for (const table of part.tables) {
        const { name, store } = table.definition
        definitions.set(tableId(app.name, topology.pipeline, name), rowDefinition(table.definition))
        if (hasChangelog(log, store)) {
          if (store === 'disk' && log.localTables === undefined) throw noFolderFor(name)
          const changelog = changelogOf(app.name, topology.pipeline, name)
          const kept = store === 'disk' ? { compacted: true, tombstoneMs: TOMBSTONE_MS } : {}
          await log.createTopic(changelog, { partitions: part.partitions, internal: true, ...kept })
        }
      }
    }
  }
  return keepRowVersions(log, app.name, definitions)
}

function noFolderFor(table: string): AldebaranError {
  return new AldebaranError(
    'OPTION_INVALID',
    `table '${table}' is a disk table, and there is no folder for its rows: name one, as kafka(…, { state: './state' }) ` +
      'or kafka://HOST:PORT?state=./state',
    { table },
  )
}
