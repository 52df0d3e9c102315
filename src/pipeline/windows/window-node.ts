import { AldebaranError } from '../../errors.ts'
import { type Fields, t } from '../../schema/field-types.ts'
import type { Schema } from '../../schema/schema.ts'
import type { TableDefinition, Timers } from '../../state/contract.ts'
import type { AggregateSpec } from '../aggregates/aggregate.ts'
import { type CompiledAggregates, compileAggregates } from '../aggregates/compile-aggregates.ts'
import { compositeKey } from '../composite-key.ts'
import { columnOf } from '../joins/stored-value.ts'
import type { Node, Operator, OperatorNode, OperatorParts, TableNode } from '../node.ts'
import type { StreamEnd } from '../stream-owner.ts'
import { parseDuration } from '../units.ts'
import { FixedWindows } from './fixed-windows.ts'
import { LateTrailingWindows } from './late-trailing-windows.ts'
import { SessionWindows } from './session-windows.ts'
import { TrailingWindows } from './trailing-windows.ts'
import type { Window } from './window.ts'
import type { Timing, WindowRules } from './window-operator.ts'

export interface WindowSettings<V = unknown> {
  /**
   * A window is kept for so long after its end, and told again for each record that still comes. Rolling and sliding: all
   * windows that a late record is in are told again. Default 0.
   */
  allowedLateness?: string | number
  /** Results of a window before its end, so long after the first record that they lack, by the wall clock. Default: none. */
  early?: string | number
  /** `event` (default): the time of the records. `processing`: the wall clock when they are read. */
  clock?: 'event' | 'processing'
  /** Of rolling and sliding windows: the value of the record itself goes into the result, as `value`. Default: it does not. */
  value?: Schema<V>
  /**
   * Of rolling and sliding windows: a record takes the place of one of its key with the same time. For input that is
   * corrected, such as results of windows with `allowedLateness`. Default false: both count.
   */
  corrects?: boolean
  /** Of its tables. Default `memory`. */
  store?: 'memory' | 'disk'
  /** Rows of a table of one partition, at most: windows of keys, and records of rolling and sliding ones. Default 100 million. */
  maxRows?: number
}

/** What a window tells. Times are ms since 1970. */
export type WindowResult<R> = R & {
  windowStart: number
  /** Tumbling, hopping: not included. Sessions: of the last record. Rolling, sliding: included. */
  windowEnd: number
  timing: Timing
}

/** Of a session: the starts of sessions that were told before and are part of this one now. */
export interface Replacing {
  replaces: number[]
}

/** Of a rolling or sliding window with `value`: that of its last record; undefined when one left it. */
export interface WithValue<V> {
  value: V
}

/** A stream cut into windows, before it is said what of them is told. */
export interface WindowPlan {
  readonly from: StreamEnd
  readonly name: string
  readonly window: Window
  readonly settings: WindowSettings<never>
  /** What values that come too late go to; filled later. */
  readonly late: Node[]
}

/** @throws AldebaranError NAME_TAKEN, NAME_INVALID, OPTION_INVALID */
export function planWindows(
  from: StreamEnd,
  name: string,
  window: Window,
  settings: WindowSettings<never>,
): WindowPlan {
  from.owner.claim(name)
  if (window.kind === 'trailing' && settings.early !== undefined) throw noEarlyResults()
  if (window.kind !== 'trailing' && settings.corrects !== undefined) throw noCorrections()
  return { from, name, window, settings, late: [] }
}

/** Puts the operator of the windows behind the stream. @throws AldebaranError PIPELINE_INVALID, OPTION_INVALID */
export function windowNode(plan: WindowPlan, aggregates: AggregateSpec<never>): OperatorNode {
  const { from, settings, late } = plan
  for (const name of RESERVED) {
    if (name in aggregates) {
      throw new AldebaranError('PIPELINE_INVALID', `an aggregate cannot be named '${name}'`, { name })
    }
  }
  const compiled = compileAggregates(aggregates) as unknown as CompiledAggregates<unknown>
  check(plan, compiled)
  const rules: WindowRules = {
    key: from.key,
    aggregates: compiled,
    lateness: Math.ceil(parseDuration(settings.allowedLateness ?? 0, 'allowedLateness')),
    early: settings.early === undefined ? Number.POSITIVE_INFINITY : Math.ceil(parseDuration(settings.early, 'early')),
    clock: settings.clock ?? 'event',
  }
  const tables = tablesOf(plan, rules)
  const node: OperatorNode = {
    kind: 'operator',
    next: [],
    late,
    tables,
    make: parts => makeOperator(plan, parts, rules),
  }
  for (const table of tables) {
    for (const timer of Object.keys(table.definition.timers)) {
      table.timers.push({ kind: 'timer', next: node.next, table, timer, handle: () => undefined, operator: node })
    }
    from.owner.addTable(table)
  }
  from.node.next.push(node)
  return node
}

function check({ name, window: { kind } }: WindowPlan, { unkept, unmerged }: CompiledAggregates<unknown>): void {
  const [wrong] = kind === 'session' ? unmerged : kind === 'trailing' ? unkept : []
  if (wrong === undefined) return
  const reason =
    kind === 'session'
      ? 'sessions grow together: give it a merge'
      : 'records leave the window one by one: tell the type of what it keeps'
  throw new AldebaranError('PIPELINE_INVALID', `aggregate '${wrong}' of window '${name}': ${reason}`, {
    aggregate: wrong,
  })
}

function makeOperator({ window, settings }: WindowPlan, parts: OperatorParts, rules: WindowRules): Operator {
  switch (window.kind) {
    case 'fixed':
      return new FixedWindows(parts, rules, window)
    case 'session':
      return new SessionWindows(parts, rules, window.gap)
    case 'trailing': {
      const value = (settings.value as Schema<unknown> | undefined) ?? null
      const trailing = { ...rules, window, value, corrects: settings.corrects === true }
      return rules.lateness > 0 ? new LateTrailingWindows(parts, trailing) : new TrailingWindows(parts, trailing)
    }
  }
}

function tablesOf(
  plan: WindowPlan,
  { aggregates: { fields, items }, clock, early, lateness }: WindowRules,
): TableNode[] {
  const { from, name, window, settings } = plan
  const ends = { close: clock, ...(early === Number.POSITIVE_INFINITY ? {} : { early: 'processing' as const }) }
  switch (window.kind) {
    case 'fixed':
      return [table(plan, name, { told: t.boolean, ...fields }, ends)]
    case 'session':
      return [
        table(plan, name, { last: t.long, next: t.long, told: t.boolean, shown: t.boolean, ...fields }, ends),
        table(plan, `${name}-keys`, { first: t.long }, {}, from.key),
      ]
    case 'trailing': {
      const value = settings.value === undefined ? {} : { held: columnOf(settings.value) }
      const [left, oldest] = lateness > 0 ? [{ hasLeft: t.boolean }, { oldest: t.long }] : [{}, {}]
      const exit = window.tellsExits ? { isDue: t.boolean } : {}
      const record = { time: t.long, next: t.long, hasEntered: t.boolean, ...exit, ...left, ...items, ...value }
      const key = { newest: t.long, waiting: t.int, first: t.long, last: t.long, ...oldest, ...fields }
      return [table(plan, name, record, { due: clock }), table(plan, `${name}-keys`, key, {}, from.key)]
    }
  }
}

/** `key`: by default that of the stream with a number behind it. */
function table(
  { from, settings }: WindowPlan,
  name: string,
  fields: Fields,
  timers: Timers,
  key: Schema<unknown> = compositeKey(from.key) as Schema<unknown>,
): TableNode {
  const definition: TableDefinition = {
    name,
    key,
    fields,
    timers,
    store: settings.store ?? 'memory',
    maxRows: settings.maxRows ?? 100_000_000,
  }
  return { definition, timers: [] }
}

function noEarlyResults(): AldebaranError {
  return new AldebaranError('OPTION_INVALID', 'early: rolling and sliding windows have a result for each record anyway')
}

function noCorrections(): AldebaranError {
  return new AldebaranError('OPTION_INVALID', 'corrects: of rolling and sliding windows only')
}

const RESERVED = ['windowStart', 'windowEnd', 'timing', 'replaces', 'value']
