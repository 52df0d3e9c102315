/** Which tasks a worker shall have, which it has, and who says so. */
import { type TaskPlan, tasksOfWorker } from './task-plan.ts'

/** Ids of tasks, as `planTasks` gives them. */
export interface Assignment {
  /** To run. */
  readonly active: readonly string[]
  /** To follow: their tables are kept as the changelogs say, so that the task can be taken over quickly. */
  readonly standby: readonly string[]
}

/** What a worker has of its assignment, and has not given up yet of those before. */
export interface Owned {
  /** They run. */
  readonly active: readonly string[]
  /** Shall run: their tables are being read. */
  readonly restoring: readonly string[]
  /** Shall leave: nothing is read any more, but what they did is not committed, or not known to be. */
  readonly closing: readonly string[]
  /** `lag`: records of the changelogs that are still to be read. */
  readonly standby: readonly { readonly id: string; readonly lag: number }[]
}

export const NOTHING_ASSIGNED: Assignment = { active: [], standby: [] }
export const NOTHING_OWNED: Owned = { active: [], restoring: [], closing: [], standby: [] }

export function allActive(plans: readonly TaskPlan[]): Assignment {
  return { active: plans.map(plan => plan.id), standby: [] }
}

/** A worker, as one sees it who says which tasks it has. */
export interface AssignedWorker {
  /** The tasks it shall have from now on. */
  assign(assignment: Assignment): void
  /** As it told last; a thread that is being started again has nothing. */
  readonly owned: Owned
  /** The listener is called whenever `owned` changes. */
  onOwned(listener: () => void): void
}

/**
 * Decides which worker has which tasks. Where the log does not fence (`LogCapabilities.fencing`), no worker may get a
 * task as active while another one still has it as active, restoring or closing.
 */
export interface Director {
  /** Begins to say which tasks the workers have. */
  start(workers: readonly AssignedWorker[]): Promise<void>
  /** Gives everything back before the process ends: called after the workers were asked to finish. */
  stop(): Promise<void>
}

/** Every task runs in this process: partitions are dealt out to the workers once, and stay. */
export function staticDirector(plans: readonly TaskPlan[]): Director {
  return {
    async start(workers) {
      workers.forEach((worker, i) => {
        worker.assign(allActive(tasksOfWorker(plans, i, workers.length)))
      })
    },
    async stop() {},
  }
}
