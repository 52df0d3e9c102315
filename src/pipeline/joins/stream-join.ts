import { AldebaranError } from '../../errors.ts'
import { t } from '../../schema/field-types.ts'
import type { Schema } from '../../schema/schema.ts'
import { compositeKey } from '../composite-key.ts'
import type { OperatorNode, TableNode } from '../node.ts'
import type { StreamEnd } from '../stream-owner.ts'
import { parseDuration } from '../units.ts'
import { IntervalJoin, type IntervalRules } from './interval-join.ts'
import { requireJoinable } from './requirements.ts'
import { columnOf, storedValue } from './stored-value.ts'
import type { Joiner, JoinKind } from './table-joins.ts'

/** Durations: ms, or text such as '5s'. */
export interface JoinSettings<L, R> {
  /** Two records meet when their times are at most so far apart, either way. */
  within?: string | number
  /** How far before a left record a right one may lie. Default: `within`. */
  before?: string | number
  /** How far behind a left record a right one may lie. Default: `within`. */
  after?: string | number
  /** How far behind the watermark a record may be and still meet every record that it should. Default 0. */
  grace?: string | number
  /** What records are kept with while they wait. */
  left: Schema<L>
  right: Schema<R>
  /** Of its tables. Default `memory`. */
  store?: 'memory' | 'disk'
  /** Records that wait in one partition, at most. Default 100 million. */
  maxRows?: number
}

/** A record that came too late for a join. */
export type LateSide<L, R> = { side: 'left'; value: L } | { side: 'right'; value: R }

/** @throws AldebaranError PIPELINE_INVALID, KEYS_DIFFER, OPTION_INVALID, NAME_TAKEN, NAME_INVALID */
export function streamJoin(
  left: StreamEnd,
  right: StreamEnd,
  name: string,
  settings: JoinSettings<unknown, unknown>,
  kind: JoinKind,
  joiner: Joiner,
): OperatorNode {
  const { owner, key } = left
  requireJoinable(left, right, `join '${name}' has two streams`)
  owner.claim(name)
  const rules = rulesOf(name, key, settings, kind, joiner)
  const tables = tablesOf(name, key, settings)
  const [, records] = tables
  const node: OperatorNode = {
    kind: 'operator',
    next: [],
    label: `${kind === 'inner' ? 'join' : `${kind}Join`} ${name}`,
    late: [],
    tables,
    make: parts => new IntervalJoin(parts, rules, [storedValue(settings.left), storedValue(settings.right)]),
  }
  records.timers.push({
    kind: 'timer',
    next: node.next,
    table: records,
    timer: 'close',
    handle: () => undefined,
    operator: node,
  })
  for (const table of tables) owner.addTable(table)
  left.node.next.push({ kind: 'operatorInput', next: [], operator: node, input: 0 })
  right.node.next.push({ kind: 'operatorInput', next: [], operator: node, input: 1 })
  return node
}

function rulesOf(
  name: string,
  key: Schema<unknown>,
  { within, before = within, after = within, grace = 0 }: JoinSettings<unknown, unknown>,
  kind: JoinKind,
  joiner: Joiner,
): IntervalRules {
  if (before === undefined || after === undefined) {
    throw new AldebaranError('OPTION_INVALID', `join '${name}' needs within, or both before and after`, { join: name })
  }
  const [earlier, later] = [Math.ceil(parseDuration(before, 'before')), Math.ceil(parseDuration(after, 'after'))]
  return {
    key,
    before: [earlier, later],
    after: [later, earlier],
    grace: Math.ceil(parseDuration(grace, 'grace')),
    isOuter: [kind !== 'inner', kind === 'outer'],
    joiner,
  }
}

function tablesOf(
  name: string,
  key: Schema<unknown>,
  { left, right, store = 'memory', maxRows = 100_000_000 }: JoinSettings<unknown, unknown>,
): readonly [chains: TableNode, records: TableNode] {
  const chains = {
    leftHead: t.long,
    leftTail: t.long,
    leftCount: t.long,
    rightHead: t.long,
    rightTail: t.long,
    rightCount: t.long,
  }
  const record = {
    time: t.timestampMillis,
    left: columnOf(left),
    right: columnOf(right),
    next: t.long,
    previous: t.long,
    hasMet: t.boolean,
  }
  return [
    { definition: { name: `${name}-keys`, key, fields: chains, timers: {}, store, maxRows }, timers: [] },
    {
      definition: {
        name,
        key: compositeKey(key) as Schema<unknown>,
        fields: record,
        timers: { close: 'event' },
        store,
        maxRows,
      },
      timers: [],
    },
  ]
}
