/**
 * The latest value of each key of a stream.
 *
 * 1. A value replaces one whose timestamp is not newer. What is older than the row is counted as late, and changes nothing.
 * 2. A null value deletes. The row stays behind without a value for a while (`forget`), so that an older record that comes
 *    after the deletion does not bring its key back.
 * 3. Each change goes on as one reused `Change`, when the row has it already. A deletion of what is not there is none.
 */
import { t } from '../../schema/field-types.ts'
import type { Schema } from '../../schema/schema.ts'
import type { TaskTable } from '../../state/contract.ts'
import type { Node, Operator, OperatorNode, OperatorParts, TableNode } from '../node.ts'
import type { StreamEnd, StreamOwner } from '../stream-owner.ts'
import { parseDuration } from '../units.ts'
import { columnOf, type StoredValue, storedValue } from './stored-value.ts'

export interface LatestSettings<V> {
  value: Schema<V>
  /** Of its rows. Default `memory`. */
  store?: 'memory' | 'disk'
  /** Rows of one partition, at most. Default 100 million. */
  maxRows?: number
  /** How long a deletion is remembered, by the wall clock, so that older records which come after it change nothing. Default '1d'. */
  rememberDeletions?: string | number
}

/** What a table of a pipeline is made of. */
export interface LatestTable {
  readonly owner: StreamOwner
  /** Its changes go on behind it. */
  readonly node: OperatorNode
  readonly table: TableNode
  readonly key: Schema<unknown>
  readonly value: Schema<unknown>
}

/** Reused from change to change. */
export interface Change {
  /** null: it is gone. */
  value: unknown
  /** There was one before. */
  had: boolean
}

export interface LatestRow {
  readonly exists: boolean
  value: unknown
  hasValue: boolean
  time: number
  forget: number
  delete(): void
}

const REMEMBER = '1d'

/** @throws AldebaranError NAME_TAKEN, NAME_INVALID, OPTION_INVALID */
export function latestTable(end: StreamEnd, name: string, settings: LatestSettings<unknown>): LatestTable {
  const { owner, key } = end
  owner.claim(name)
  const { value } = settings
  const remember = Math.ceil(parseDuration(settings.rememberDeletions ?? REMEMBER, 'rememberDeletions'))
  const table: TableNode = {
    definition: {
      name,
      key,
      fields: { value: columnOf(value), hasValue: t.boolean, time: t.timestampMillis },
      timers: { forget: 'processing' },
      store: settings.store ?? 'memory',
      maxRows: settings.maxRows ?? 100_000_000,
    },
    timers: [],
    comparesTime: true,
  }
  const node: OperatorNode = {
    kind: 'operator',
    next: [],
    label: `toTable ${name}`,
    late: [],
    tables: [table],
    make: parts => new LatestOperator(parts, storedValue(value), remember),
  }
  table.timers.push({ kind: 'timer', next: [], table, timer: 'forget', handle: () => undefined, operator: node })
  owner.addTable(table)
  attach(end.node, node)
  return { owner, node, table, key, value }
}

/** Right behind the sources of topics, it takes their null values too. */
function attach(from: Node, node: OperatorNode): void {
  from.next.push(node)
  if (from.kind !== 'pass') return
  for (const source of from.sources ?? []) {
    source.nullNext = [...(source.nullNext ?? []), node]
    source.takesNull = true
  }
}

class LatestOperator implements Operator {
  readonly #parts: OperatorParts
  readonly #table: TaskTable
  readonly #stored: StoredValue
  readonly #remember: number
  readonly #change: Change = { value: null, had: false }

  constructor(parts: OperatorParts, stored: StoredValue, remember: number) {
    this.#parts = parts
    this.#table = parts.tables[0]!
    this.#stored = stored
    this.#remember = remember
  }

  push(value: unknown): void {
    const { context, emit } = this.#parts
    const row = this.#table.locate(context.keyBytes, context.keyStart, context.keyEnd) as unknown as LatestRow
    if (row.exists && context.timestamp < row.time) {
      context.lateRecords++
      return
    }
    const had = row.hasValue
    const isGone = value === null || value === undefined
    if (isGone) this.#delete(row)
    else {
      row.value = this.#stored.put(value)
      if (!had) {
        row.hasValue = true
        row.forget = 0
      }
      row.time = context.timestamp
    }
    if (isGone && !had) return
    const change = this.#change
    change.value = isGone ? null : value
    change.had = had
    emit(change)
  }

  timer(): void {
    this.#table.row.delete()
  }

  #delete(row: LatestRow): void {
    const { context } = this.#parts
    if (this.#remember === 0) {
      row.delete()
      return
    }
    row.value = null
    row.hasValue = false
    row.time = context.timestamp
    row.forget = context.now + this.#remember
  }
}
