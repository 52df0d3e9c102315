import { AldebaranError } from '../errors.ts'
import type { TaskTable } from '../state/contract.ts'
import type { Node, Operator, OperatorNode, RepartitionNode, SourceNode, TableNode, TimerNode } from './node.ts'
import { Outlet, type RecordSink, sameEncoding } from './outlet.ts'
import type { TaskContext } from './task-context.ts'
import type { AnyTopic } from './topic.ts'

/** Takes a value on; everything else it needs stands in the context of its task. */
export type Push = (value: unknown) => void

export interface Plan {
  context: TaskContext
  tables: ReadonlyMap<TableNode, TaskTable>
  outlets: ReadonlyMap<AnyTopic, Outlet>
  repartitions: ReadonlyMap<RepartitionNode, AnyTopic>
  /** Those made so far: one a task, however many ways lead to it. */
  operators: Map<OperatorNode, Operator>
  /** Makes a dead letter of the record at hand. */
  refuse: (error: AldebaranError) => void
}

/** An outlet for each topic, all into one sink. */
export function makeOutlets(topics: readonly AnyTopic[], sink: RecordSink, partition: number): Map<AnyTopic, Outlet> {
  return new Map(topics.map(topic => [topic, new Outlet(topic, sink, partition)]))
}

/** The operators behind a source, composed into one function once, so that a record meets no lookup on its way. */
export function compileSource(source: SourceNode, plan: Plan): Push {
  const push = compileAll(source.next, plan)
  if (source.nullNext === undefined) return push
  const pushNull = compileAll(source.nullNext, plan)
  return value => (value === null ? pushNull : push)(value)
}

/** With all that follows it; the row is already at hand. */
export interface TimerHandler {
  (row: unknown): void
  /** After it threw, and was undone. */
  abandon?: () => void
}

export function compileTimer(node: TimerNode, plan: Plan): TimerHandler {
  const { context } = plan
  if (node.operator !== undefined) {
    const operator = makeOperator(node.operator, plan)
    const handler: TimerHandler = () => operator.timer(node.table, node.timer)
    if (operator.abandon !== undefined) handler.abandon = () => operator.abandon!(node.table, node.timer)
    return handler
  }
  const handle = node.handle
  const next = node.next.length === 0 ? null : compileAll(node.next, plan)
  return row => {
    const result = handle(row, context)
    if (result !== undefined && next !== null) next(result)
  }
}

function compileAll(nodes: readonly Node[], plan: Plan): Push {
  const pushes = nodes.map(node => compileNode(node, plan))
  const [first, second] = pushes
  if (first === undefined) return () => {}
  if (second === undefined) return first
  if (pushes.length === 2) {
    return value => {
      first(value)
      second(value)
    }
  }
  return value => {
    for (let i = 0; i < pushes.length; i++) pushes[i]!(value)
  }
}

function compileNode(node: Node, plan: Plan): Push {
  const { context } = plan
  switch (node.kind) {
    case 'pass':
      return compileAll(node.next, plan)
    case 'filter': {
      const { test } = node
      const next = compileAll(node.next, plan)
      return value => {
        if (test(value, context)) next(value)
      }
    }
    case 'map': {
      const { change } = node
      const next = compileAll(node.next, plan)
      return value => next(change(value, context))
    }
    case 'flatMap': {
      const { change } = node
      const next = compileAll(node.next, plan)
      return value => {
        for (const one of change(value, context)) next(one)
      }
    }
    case 'branch': {
      const { tests } = node
      const branches = node.branches.map(branch => compileNode(branch, plan))
      return value => {
        for (let i = 0; i < tests.length; i++) {
          if (!tests[i]!(value, context)) continue
          branches[i]!(value)
          return
        }
      }
    }
    case 'into': {
      const { handle } = node
      const table = plan.tables.get(node.table)!
      const next = node.next.length === 0 ? null : compileAll(node.next, plan)
      return value => {
        if (context.keyStart < 0)
          throw new AldebaranError('VALUE_INVALID', 'the record has no key, which the table needs')
        const result = handle(value, table.locate(context.keyBytes, context.keyStart, context.keyEnd), context)
        if (result !== undefined && next !== null) next(result)
      }
    }
    case 'operator':
    case 'operatorInput': {
      const operator = makeOperator(node.kind === 'operator' ? node : node.operator, plan)
      const input = node.kind === 'operator' ? 0 : node.input
      return value => {
        if (context.keyStart < 0)
          throw new AldebaranError('VALUE_INVALID', 'the record has no key, which is needed here')
        operator.push(value, input)
      }
    }
    case 'repartition': {
      const { keyOf } = node
      const outlet = plan.outlets.get(plan.repartitions.get(node)!)!
      return value => outlet.send(keyOf(value, context), value, context.timestamp, null)
    }
    case 'sink': {
      const outlet = plan.outlets.get(node.topic)!
      if (!sameEncoding(node.key, node.topic.key)) {
        return value => outlet.send(context.key, value, context.timestamp, null)
      }
      return value => outlet.forward(context.keyBytes, context.keyStart, context.keyEnd, value, context.timestamp, null)
    }
    case 'source':
    case 'timer':
      throw new AldebaranError('PIPELINE_INVALID', `a ${node.kind} cannot follow another operator`)
  }
}

function makeOperator(node: OperatorNode, plan: Plan): Operator {
  const known = plan.operators.get(node)
  if (known !== undefined) return known
  const late = node.late.length === 0 ? null : compileAll(node.late, plan)
  const operator = node.make({
    context: plan.context,
    tables: node.tables.map(table => plan.tables.get(table)!),
    emit: compileAll(node.next, plan),
    tooLate(value) {
      plan.context.lateRecords++
      if (late === null) plan.refuse(tooLate(plan.context))
      else late(value)
    },
  })
  plan.operators.set(node, operator)
  return operator
}

function tooLate({ timestamp, watermark }: TaskContext): AldebaranError {
  return new AldebaranError('LATE_RECORD', `it came ${watermark - timestamp} ms behind the watermark`, {
    timestamp,
    watermark,
  })
}
