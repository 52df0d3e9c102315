import { AldebaranError } from '../errors.ts'
import type { Log, TableWrite } from '../log/contract.ts'
import type { TableNode } from '../pipeline/node.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import { checkRowEvolution, rowDefinition } from '../state/evolution.ts'
import { type Application, changelogOf } from './application.ts'
import { type RowVersions, tableId } from './task-state.ts'

/** Where the versions of the rows of all tables are kept: table id, '/', number → Avro definition. */
const VERSIONS = 'aldebaran.row-versions'

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
  const versions = new Map<string, RowVersions>()
  for (const topology of app.topologies) {
    for (const part of topology.parts) {
      for (const table of part.tables) {
        const { name, store } = table.definition
        const id = tableId(app.name, topology.pipeline, name)
        versions.set(id, await keepVersion(log, id, table))
        if (store === 'disk' && !log.capabilities.tables) {
          throw new AldebaranError('PIPELINE_INVALID', `table '${name}' is a disk table, which this log cannot hold`, {
            table: name,
          })
        }
        if (store === 'memory') {
          const changelog = changelogOf(app.name, topology.pipeline, name)
          await log.createTopic(changelog, { partitions: part.partitions, internal: true })
        }
      }
    }
  }
  return versions
}

async function keepVersion(log: Log, id: string, table: TableNode): Promise<RowVersions> {
  const definition = rowDefinition(table.definition)
  const definitions = new Map<number, string>()
  for (const [key, value] of log.tableRange(VERSIONS, Buffer.from(`${id}/`), Buffer.from(`${id}0`))) {
    definitions.set(Number(key.toString().slice(id.length + 1)), value.toString())
  }
  for (const [number, older] of definitions) {
    if (older === definition) return { current: number, definitions }
  }
  for (const older of definitions.values()) {
    const reasons = checkRowEvolution(older, definition)
    if (reasons.length > 0) {
      throw new AldebaranError(
        'SCHEMA_INCOMPATIBLE',
        `the rows of table '${table.definition.name}' changed in a way that stored rows cannot follow: ${reasons.join('; ')}`,
        { table: table.definition.name },
      )
    }
  }
  const current = Math.max(0, ...definitions.keys()) + 1
  definitions.set(current, definition)
  const write: TableWrite = { table: VERSIONS, key: Buffer.from(`${id}/${current}`), value: Buffer.from(definition) }
  await log.commit({ tables: [write] })
  return { current, definitions }
}
