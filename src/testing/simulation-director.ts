import { isDeepStrictEqual } from 'node:util'
import type { Task } from '../runtime/task.ts'
import type { TaskPlan } from '../runtime/task-plan.ts'
import type { TaskState } from '../runtime/task-state.ts'
import type { TaskWorker } from '../runtime/worker.ts'
import type { SeededRandom } from './random.ts'

interface Place {
  /** The worker that shall run the task; −1: none for now. */
  active: number
  standby: Set<number>
}

/** Says which worker of a simulation has which tasks, and moves them about, as membership would do. */
export class SimulatedDirector {
  readonly #places: ReadonlyMap<string, Place>
  readonly #workers: number

  /** Every partition has a worker, and one task in two a standby. */
  constructor(plans: readonly TaskPlan[], workers: number, random: SeededRandom) {
    this.#workers = workers
    this.#places = new Map(
      plans.map(({ id, partition }) => {
        const active = partition % workers
        return [id, { active, standby: new Set(random.chance(0.5) ? [random.below(workers)] : []) }]
      }),
    )
  }

  /** Gives a task to another worker, or takes it away, or changes where it has a standby. Returns what it did. */
  move(random: SeededRandom): string {
    const [id, place] = random.pick([...this.#places])
    const worker = random.below(this.#workers)
    switch (random.below(4)) {
      case 0:
        place.active = -1
        break
      case 1:
        if (!place.standby.delete(worker)) place.standby.add(worker)
        break
      case 2:
        // It keeps its tables where it ran, and may so come back.
        if (place.active >= 0) place.standby.add(place.active)
        place.active = worker
        break
      default:
        place.active = worker
    }
    return `${id} runs on ${place.active}, follows on ${[...place.standby].join()}`
  }

  /** Every task shall run. */
  calm(): void {
    for (const place of this.#places.values()) place.active = Math.max(0, place.active)
  }

  /** Tells the workers what they may have: a task goes to another one only when the last one has given it back. */
  direct(workers: readonly TaskWorker[]): void {
    const holders = new Map<string, number>()
    workers.forEach(({ owned: { active, restoring, closing } }, i) => {
      for (const id of [...active, ...restoring, ...closing]) holders.set(id, i)
    })
    const places = [...this.#places]
    workers.forEach((worker, i) => {
      const mayRun = ([id, place]: [string, Place]): boolean => place.active === i && (holders.get(id) ?? i) === i
      worker.assign({
        active: places.filter(mayRun).map(([id]) => id),
        standby: places.filter(([, place]) => place.standby.has(i)).map(([id]) => id),
      })
    })
  }

  /** Every task runs where it shall. */
  isDone(workers: readonly TaskWorker[]): boolean {
    return [...this.#places].every(
      ([id, { active }]) => active >= 0 && workers[active]!.tasks.some(task => task.plan.id === id),
    )
  }
}

/** Standbys that do not have the rows of their task, all being at rest. */
export function wrongStandbys(workers: readonly TaskWorker[]): string[] {
  const tasks = new Map<string, Task>(
    workers.flatMap(worker => worker.tasks.map(task => [task.plan.id, task] as const)),
  )
  return workers.flatMap((worker, i) =>
    [...worker.replicas]
      .filter(({ plan, states }) => !states.every(state => isAlike(state, tasks.get(plan.id)!)))
      .map(({ plan }) => `the standby of ${plan.id} on worker ${i} is not as its task`),
  )
}

function isAlike(state: TaskState, task: Task): boolean {
  const other = task.states.find(({ node }) => node === state.node)!
  return isDeepStrictEqual(rowsOf(state), rowsOf(other))
}

function rowsOf({ table }: TaskState): unknown {
  return table.scan(undefined, undefined, Number.MAX_SAFE_INTEGER)
}
