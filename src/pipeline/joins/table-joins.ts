/** Joins with tables: of a stream with the rows of now, and of two tables with each other. */
import { AldebaranError } from '../../errors.ts'
import type { TaskTable } from '../../state/contract.ts'
import type { Node, Operator, OperatorNode, OperatorParts } from '../node.ts'
import type { StreamEnd } from '../stream-owner.ts'
import type { Change, LatestRow, LatestTable } from './latest-table.ts'
import { requireJoinable } from './requirements.ts'
import { type StoredValue, storedValue } from './stored-value.ts'

export type JoinKind = 'inner' | 'left' | 'outer'
export type Joiner = (left: unknown, right: unknown, context: unknown) => unknown

/**
 * Each value of the stream with the row of its key, as the row is when the value is read: a change of the table says
 * nothing. Results that are undefined end there.
 * @throws AldebaranError PIPELINE_INVALID, KEYS_DIFFER
 */
export function streamTableJoin(end: StreamEnd, table: LatestTable, kind: 'inner' | 'left', joiner: Joiner): Node {
  requireJoinable(end, table, `a stream is joined with table '${table.table.definition.name}'`)
  const node: OperatorNode = {
    kind: 'operator',
    next: [],
    label: kind === 'inner' ? 'join' : 'leftJoin',
    late: [],
    tables: [table.table],
    make: parts => new LookUp(parts, storedValue(table.value), kind === 'inner', joiner),
  }
  end.node.next.push(node)
  return node
}

class LookUp implements Operator {
  readonly #parts: OperatorParts
  readonly #table: TaskTable
  readonly #stored: StoredValue
  readonly #isInner: boolean
  readonly #joiner: Joiner

  constructor(parts: OperatorParts, stored: StoredValue, isInner: boolean, joiner: Joiner) {
    this.#parts = parts
    this.#table = parts.tables[0]!
    this.#stored = stored
    this.#isInner = isInner
    this.#joiner = joiner
  }

  push(value: unknown): void {
    const { context, emit } = this.#parts
    const row = rowOf(this.#table, this.#parts)
    if (!row.hasValue && this.#isInner) return
    const result = this.#joiner(value, row.hasValue ? this.#stored.get(row.value) : null, context)
    if (result !== undefined) emit(result)
  }

  timer(): void {}
}

/**
 * Changes of the join of two tables: of either side, where the result is another one by it. A result that is gone is null.
 * @throws AldebaranError PIPELINE_INVALID, KEYS_DIFFER
 */
export function tableTableJoin(left: LatestTable, right: LatestTable, kind: JoinKind, joiner: Joiner): Node {
  const [from, to] = [left.table.definition.name, right.table.definition.name]
  if (left.table === right.table) {
    throw new AldebaranError(
      'PIPELINE_INVALID',
      `pipeline '${left.owner.name}' joins table '${from}' with itself: map its stream instead`,
      { pipeline: left.owner.name, table: from },
    )
  }
  requireJoinable(left, right, `table '${from}' is joined with table '${to}'`)
  const node: OperatorNode = {
    kind: 'operator',
    next: [],
    label: kind === 'inner' ? 'join' : `${kind}Join`,
    late: [],
    tables: [left.table, right.table],
    make: parts => new TableJoin(parts, [storedValue(left.value), storedValue(right.value)], kind, joiner),
  }
  left.node.next.push({ kind: 'operatorInput', next: [], operator: node, input: 0 })
  right.node.next.push({ kind: 'operatorInput', next: [], operator: node, input: 1 })
  return node
}

class TableJoin implements Operator {
  readonly #parts: OperatorParts
  readonly #stored: readonly [left: StoredValue, right: StoredValue]
  readonly #kind: JoinKind
  readonly #joiner: Joiner
  readonly #change: Change = { value: null, had: false }

  constructor(parts: OperatorParts, stored: readonly [StoredValue, StoredValue], kind: JoinKind, joiner: Joiner) {
    this.#parts = parts
    this.#stored = stored
    this.#kind = kind
    this.#joiner = joiner
  }

  push(value: unknown, input: number): void {
    const { context, emit, tables } = this.#parts
    const { value: own, had } = value as Change
    const row = rowOf(tables[1 - input]!, this.#parts)
    const { hasValue } = row
    const was = input === 0 ? this.#hasResult(had, hasValue) : this.#hasResult(hasValue, had)
    const has = own !== null
    const is = input === 0 ? this.#hasResult(has, hasValue) : this.#hasResult(hasValue, has)
    if (!was && !is) return
    const { timestamp } = context
    if (row.exists) context.timestamp = Math.max(timestamp, row.time)
    const change = this.#change
    change.had = was
    change.value = null
    if (is) {
      const other = hasValue ? this.#stored[1 - input]!.get(row.value) : null
      change.value = input === 0 ? this.#joiner(own, other, context) : this.#joiner(other, own, context)
    }
    emit(change)
    context.timestamp = timestamp
  }

  timer(): void {}

  #hasResult(left: boolean, right: boolean): boolean {
    switch (this.#kind) {
      case 'inner':
        return left && right
      case 'left':
        return left
      case 'outer':
        return left || right
    }
  }
}

function rowOf(table: TaskTable, { context }: OperatorParts): LatestRow {
  return table.locate(context.keyBytes, context.keyStart, context.keyEnd) as unknown as LatestRow
}
