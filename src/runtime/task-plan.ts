import type { RepartitionNode } from '../pipeline/node.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import type { SubTopology } from '../pipeline/topology.ts'
import { type Application, groupOf } from './application.ts'

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
}

/** Every task of an application, in an order that is the same wherever it is computed. */
export function planTasks(application: Application): TaskPlan[] {
  const plans: TaskPlan[] = []
  let tables = 0
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
        })
        tables += part.tables.length
      }
    }
  }
  return plans
}

export function plansById(plans: readonly TaskPlan[]): Map<string, TaskPlan> {
  return new Map(plans.map(plan => [plan.id, plan]))
}

export function countTables(plans: readonly TaskPlan[]): number {
  const last = plans.at(-1)
  return last === undefined ? 0 : last.firstTable + last.part.tables.length
}

/** The tasks of one of `workers` workers: every partition number stays together, so co-partitioned parts do too. */
export function tasksOfWorker(plans: readonly TaskPlan[], worker: number, workers: number): TaskPlan[] {
  return plans.filter(plan => plan.partition % workers === worker)
}
