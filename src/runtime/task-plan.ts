import { isDeliveryPart } from '../delivery/delivery.ts'
import type { RepartitionNode } from '../pipeline/node.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import type { SubTopology } from '../pipeline/topology.ts'
import { type Application, groupOf } from './application.ts'
import type { MeasureSizes } from './measures.ts'

/** What a task is made from. */
export interface TaskPlan {
  /** 'audit/3': sub-topology and partition. */
  readonly id: string
  readonly application: string
  readonly part: SubTopology
  readonly partition: number
  readonly group: string
  /** Topics it may write to. */
  readonly topics: readonly AnyTopic[]
  readonly repartitions: ReadonlyMap<RepartitionNode, AnyTopic>
  readonly deadLetters: AnyTopic
  /** The number of its first table among the tables of all tasks. */
  readonly firstTable: number
  /** Its number among the tasks of deliveries; −1: it is none. */
  readonly deliveryIndex: number
  /** Of a delivery: the number of its first own counter among those of all tasks. */
  readonly firstCounter: number
}

/** Every task of an application, in an order that is the same wherever it is computed. */
export function planTasks(application: Application): TaskPlan[] {
  const plans: TaskPlan[] = []
  let tables = 0
  let deliveries = 0
  let counters = 0
  for (const topology of application.topologies) {
    for (const part of topology.parts) {
      for (let partition = 0; partition < part.partitions; partition++) {
        plans.push({
          id: `${part.name}/${partition}`,
          application: application.name,
          part,
          partition,
          group: groupOf(application.name, topology.pipeline),
          topics: topology.topics,
          repartitions: topology.repartitions,
          deadLetters: application.deadLetters,
          firstTable: tables,
          deliveryIndex: isDeliveryPart(part) ? deliveries++ : -1,
          firstCounter: counters,
        })
        tables += part.tables.length
        counters += countersOf(part)
      }
    }
  }
  return plans
}

function countersOf(part: SubTopology): number {
  return isDeliveryPart(part) ? part.delivery.counters.length : 0
}

export function plansById(plans: readonly TaskPlan[]): Map<string, TaskPlan> {
  return new Map(plans.map(plan => [plan.id, plan]))
}

export function measureSizes(plans: readonly TaskPlan[]): MeasureSizes {
  const last = plans.at(-1)
  return {
    tables: last === undefined ? 0 : last.firstTable + last.part.tables.length,
    deliveries: plans.filter(plan => plan.deliveryIndex >= 0).length,
    counters: last === undefined ? 0 : last.firstCounter + countersOf(last.part),
  }
}

/** The tasks of one of `workers` workers: every partition number stays together, so co-partitioned parts do too. */
export function tasksOfWorker(plans: readonly TaskPlan[], worker: number, workers: number): TaskPlan[] {
  return plans.filter(plan => plan.partition % workers === worker)
}
