/** Puts a courier into a task: its tables, what comes to it, where its dead letters go, what is counted of it. */
import type { Command } from '../delivery/commands.ts'
import { Courier } from '../delivery/courier.ts'
import type { DeliveryPart } from '../delivery/delivery.ts'
import type { DueEvent } from '../delivery/due-event.ts'
import { DESTINATION_HEADER } from '../delivery/intake.ts'
import { DESTINATIONS, DUE, latestTable, SEEN } from '../delivery/tables.ts'
import { AldebaranError } from '../errors.ts'
import { makeOutlets, type Push, type TimerHandler } from '../pipeline/compile.ts'
import type { SourceNode } from '../pipeline/node.ts'
import type { TaskContext } from '../pipeline/task-context.ts'
import type { TaskTable } from '../state/contract.ts'
import { sendDeadLetter } from './dead-letters.ts'
import type { Outputs } from './outputs.ts'
import type { TaskEnvironment } from './task-environment.ts'
import type { TaskPlan } from './task-plan.ts'
import type { TaskState } from './task-state.ts'

export interface TaskDelivery {
  readonly courier: Courier
  pushOf(source: SourceNode): Push
  timersOf(state: TaskState): ReadonlyMap<string, TimerHandler>
}

const NO_TIMERS: ReadonlyMap<string, TimerHandler> = new Map()

export function taskDelivery(
  plan: TaskPlan,
  part: DeliveryPart,
  states: readonly TaskState[],
  environment: TaskEnvironment,
  context: TaskContext,
): TaskDelivery {
  const { clock, log, measures, outputs, random } = environment
  const { reads, attempts, notices } = part.delivery
  const sinks = [attempts, notices].filter(topic => topic !== null)
  const outlets = makeOutlets(sinks, outputs, plan.partition)
  const tableOf = (name: string): TaskTable | undefined =>
    states.find(state => state.node.definition.name === name)?.table
  const courier = new Courier(
    part.delivery,
    plan.partition,
    {
      due: tableOf(DUE.name)!,
      destinations: tableOf(DESTINATIONS.name)!,
      seen: tableOf(SEEN.name) ?? null,
      latest: new Map(reads.map(topic => [topic, tableOf(latestTable(topic.name).name)!])),
    },
    {
      clock,
      random,
      wake: () => log.wake(),
      tell: (topic, destination, record) => outlets.get(topic)!.send(destination, record, clock.now(), null),
      tellOthers: command => tellOthers(outputs, part, plan.partition, command, clock.now()),
      count: (name, amount) => measures.addDelivery(plan.deliveryIndex, name, amount),
      countOwn: (counter, amount) => measures.addCounter(plan.firstCounter + counter, amount),
      deadLetter: (event, error) => {
        measures.add('deadLetters', 1)
        const origin = {
          pipeline: part.pipeline,
          topic: part.delivery.source.name,
          partition: plan.partition,
          offset: event.offset,
          timestamp: event.timestamp,
          timer: null,
          event: event.id,
        }
        const text = `not delivered to '${event.destination}' after ${event.tries} ${event.tries === 1 ? 'try' : 'tries'}: ${error.message}`
        const failure = new AldebaranError('DELIVERY_FAILED', text)
        sendDeadLetter(outputs, plan.deadLetters, origin, bytesOf(event), failure, clock.now())
      },
    },
  )
  return {
    courier,
    pushOf({ topic }) {
      if (topic === part.control) return value => courier.command(value)
      if (reads.includes(topic)) return () => courier.learn(topic, context)
      return value => courier.admit(value, context)
    },
    timersOf({ node: { definition } }) {
      if (definition === DUE) return new Map([['due', (row: unknown) => courier.due((row as { key: string }).key)]])
      if (definition === SEEN) return new Map([['forget', (row: unknown) => (row as { delete(): void }).delete()]])
      return NO_TIMERS
    },
  }
}

function tellOthers(outputs: Outputs, part: DeliveryPart, own: number, command: Command, now: number): void {
  const value = Buffer.from(JSON.stringify(command))
  for (let partition = 0; partition < part.partitions; partition++) {
    if (partition !== own) outputs.append(part.control, partition, now, null, -1, -1, value, 0, value.length, null)
  }
}

/** A replay of it goes to the same destination, and to no other. */
function bytesOf(event: DueEvent) {
  const { key, value, headers } = event
  return {
    key,
    keyStart: 0,
    keyEnd: key?.length ?? 0,
    value,
    valueStart: 0,
    valueEnd: value.length,
    headers: [
      ...headers.filter(header => header.key !== DESTINATION_HEADER),
      { key: DESTINATION_HEADER, value: Buffer.from(event.destination) },
    ],
  }
}
