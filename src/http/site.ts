/** What the server serves: the applications that run, and the topics and tables found by their names. */
import { AldebaranError } from '../errors.ts'
import type { Log, StoredSchema, TopicInfo } from '../log/contract.ts'
import type { TableNode } from '../pipeline/node.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import type { Running } from '../runtime/start.ts'
import type { Schema } from '../schema/schema.ts'
import { schemaFromStored } from '../schema/stored.ts'
import { DeadLetterBox } from './dead-letter-box.ts'
import type { SiteTopic } from './site-topic.ts'
import { TopicList } from './topic-list.ts'

export interface SiteTable {
  readonly running: Running
  readonly pipeline: string
  readonly node: TableNode
  readonly partitions: number
  /** Its parts, by partition: the task that has it, and its number among the tables of all tasks. */
  readonly parts: readonly { readonly task: string; readonly index: number }[]
}

export class Site {
  readonly applications: readonly Running[]
  readonly #topics = new Map<Log, TopicList>()
  readonly #letters = new Map<Running, DeadLetterBox>()
  readonly #schemas = new Map<string, Schema<unknown>>()

  constructor(applications: readonly Running[]) {
    if (applications.length === 0) throw new AldebaranError('OPTION_INVALID', 'there is no application to serve')
    this.applications = applications
  }

  /** The application of that name; without a name: the only one. */
  application(name: string | undefined): Running {
    if (name === undefined) {
      if (this.applications.length > 1) {
        const names = this.applications.map(one => one.application.name).join(', ')
        throw new AldebaranError('OPTION_INVALID', `several applications run: add ?application=, one of ${names}`)
      }
      return this.applications[0]!
    }
    const found = this.applications.find(one => one.application.name === name)
    if (found === undefined) {
      throw new AldebaranError('NOT_FOUND', `there is no application ${name}`, { application: name })
    }
    return found
  }

  /** Of several applications, the first whose log has the topic, unless one is named. */
  async topic(name: string, application?: string): Promise<SiteTopic> {
    const places = application === undefined ? this.applications : [this.application(application)]
    for (const running of places) {
      const info = await this.#listOf(running.log).find(name)
      if (info !== undefined) return this.#describe(running, info)
    }
    throw new AldebaranError('TOPIC_UNKNOWN', `there is no topic ${name}`, { topic: name })
  }

  /** The topics of every log, by name. Applications that share a log share its topics. */
  async topics(internal: boolean): Promise<SiteTopic[]> {
    const found = new Map<string, SiteTopic>()
    for (const running of this.applications) {
      for (const info of (await this.topicsOf(running)).values()) {
        if (info.internal === true && !internal) continue
        if (!found.has(info.name)) found.set(info.name, this.#describe(running, info))
      }
    }
    return [...found.values()].sort((a, b) => (a.info.name < b.info.name ? -1 : 1))
  }

  /** The topics of a log by name, internal ones too. */
  topicsOf(running: Running): Promise<ReadonlyMap<string, TopicInfo>> {
    return this.#listOf(running.log).all()
  }

  /** Finds topics of an application's log by name, without asking for each. */
  async finder(running: Running): Promise<(name: string) => SiteTopic | null> {
    const topics = await this.topicsOf(running)
    return name => {
      const info = topics.get(name)
      return info === undefined ? null : this.#describe(running, info)
    }
  }

  tables(application?: string): SiteTable[] {
    const places = application === undefined ? this.applications : [this.application(application)]
    return places.flatMap(tablesOf)
  }

  table(pipeline: string, name: string, application?: string): SiteTable {
    const found = this.tables(application).find(
      table => table.pipeline === pipeline && table.node.definition.name === name,
    )
    if (found === undefined) {
      throw new AldebaranError('TABLE_UNKNOWN', `there is no table ${name} of a pipeline ${pipeline}`, {
        pipeline,
        table: name,
      })
    }
    return found
  }

  letters(running: Running): DeadLetterBox {
    let box = this.#letters.get(running)
    if (box === undefined) {
      box = new DeadLetterBox(running, () => this.finder(running))
      this.#letters.set(running, box)
    }
    return box
  }

  #listOf(log: Log): TopicList {
    const list = this.#topics.get(log) ?? new TopicList(log)
    this.#topics.set(log, list)
    return list
  }

  #describe(running: Running, info: TopicInfo): SiteTopic {
    const { application, log } = running
    const known: AnyTopic | undefined = application.topics.find(topic => topic.name === info.name)
    const stored = (schema: StoredSchema | undefined) => this.#stored(schema)
    return {
      running,
      log,
      info,
      // Made when asked for: a list of topics need not understand the schemas of all of them.
      get key() {
        return known?.key ?? stored(info.key)
      },
      get value() {
        return known?.value ?? stored(info.value)
      },
      keyOf: known?.keyOf ?? null,
      reserved: info.internal === true || info.name === application.deadLetters.name,
    }
  }

  /** A topic that says nothing of its schemas holds bytes. */
  #stored(stored: StoredSchema | undefined): Schema<unknown> {
    const { format, definition } = stored ?? { format: 'bytes', definition: null }
    const id = `${format} ${definition}`
    let schema = this.#schemas.get(id)
    if (schema === undefined) {
      schema = schemaFromStored(format, definition)
      this.#schemas.set(id, schema)
    }
    return schema
  }
}

function tablesOf(running: Running): SiteTable[] {
  const tables = new Map<TableNode, SiteTable & { parts: { task: string; index: number }[] }>()
  for (const plan of running.plans) {
    plan.part.tables.forEach((node, i) => {
      let table = tables.get(node)
      if (table === undefined) {
        table = { running, pipeline: plan.part.pipeline, node, partitions: plan.part.partitions, parts: [] }
        tables.set(node, table)
      }
      table.parts[plan.partition] = { task: plan.id, index: plan.firstTable + i }
    })
  }
  return [...tables.values()]
}

/** Rows and bytes of a table, over the partitions that this process has. */
export function sizeOf(table: SiteTable): { rows: number; bytes: number } {
  let rows = 0
  let bytes = 0
  for (const { owned, measures } of table.running.workers) {
    const active = new Set(owned.active)
    for (const { task, index } of table.parts) {
      if (!active.has(task)) continue
      const size = measures.table(index)
      rows += size.rows
      bytes += size.bytes
    }
  }
  return { rows, bytes }
}
