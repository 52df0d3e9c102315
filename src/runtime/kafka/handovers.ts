/**
 * Tasks that are to go to other members, and are run on until those have their tables.
 *
 *     the group takes T from a for b ─► a asks b, again and again, how far behind T's changelogs it is: that makes b follow
 *                                  ─► b is near the end, or nobody is to have T, or it takes too long ─► a lets go of T
 *
 * The group waits for that: it gives a task to its new owner after the old one has said that it let go of it, and of all
 * else that it was to let go of. So all of them go together, in the time of some heartbeats, however long their tables
 * take to read.
 */
import { setTimeout } from 'node:timers/promises'
import type { TaskTarget } from '../../log/kafka/group/member.ts'

export interface HandoverSettings {
  /** Who is to have the tasks; those that are not in it: nobody yet. */
  readonly targets: (tasks: readonly string[]) => Promise<ReadonlyMap<string, TaskTarget>>
  /** Makes a member follow a task; how many records it is behind, or null: it does not follow yet. */
  readonly warm: (target: TaskTarget, task: string) => Promise<number | null>
  /** The tasks that have tables. */
  readonly withTables: ReadonlySet<string>
  /** The tasks may go now. */
  readonly release: (tasks: readonly string[]) => void
}

/** Read in the time of a heartbeat: so few records behind is near enough. */
const NEAR_RECORDS = 10_000
const ASK_EVERY_MS = 50
const LOOK_EVERY_MS = 1000
/** Longer than this no task is kept; the group waits for more than twice that. */
const LONGEST_MS = 25_000

export class Handovers {
  readonly #settings: HandoverSettings
  readonly #kept = new Set<string>()
  #isRunning = false
  /** Tasks came since it was asked who is to have them. */
  #isStale = false

  constructor(settings: HandoverSettings) {
    this.#settings = settings
  }

  /** Tasks that are run here although the group wants them elsewhere. */
  get kept(): ReadonlySet<string> {
    return this.#kept
  }

  begin(tasks: readonly string[]): void {
    for (const task of tasks) this.#kept.add(task)
    this.#isStale = true
    if (this.#kept.size === 0 || this.#isRunning) return
    this.#isRunning = true
    this.#run().finally(() => {
      this.#isRunning = false
      const tasks = [...this.#kept]
      this.#kept.clear()
      if (tasks.length > 0) this.#settings.release(tasks)
    })
  }

  /** The group wants it here again. */
  forget(task: string): void {
    this.#kept.delete(task)
  }

  /** Everything is given up; nothing is released. */
  clear(): void {
    this.#kept.clear()
  }

  /** Resolves when all may go. */
  async #run(): Promise<void> {
    const until = performance.now() + LONGEST_MS
    while (this.#withTables().length > 0 && performance.now() < until) {
      this.#isStale = false
      const targets = await this.#targets()
      const lookedAt = performance.now()
      // Who is to have them may change meanwhile.
      while (!this.#isStale && performance.now() < lookedAt + LOOK_EVERY_MS) {
        const near = await Promise.all(this.#withTables().map(task => this.#isNear(targets, task)))
        if (near.every(Boolean) && !this.#isStale) return
        await setTimeout(ASK_EVERY_MS)
      }
    }
  }

  #withTables(): string[] {
    return [...this.#kept].filter(task => this.#settings.withTables.has(task))
  }

  async #isNear(targets: ReadonlyMap<string, TaskTarget> | null, task: string): Promise<boolean> {
    if (targets === null) return false
    const target = targets.get(task)
    if (target === undefined) return true
    // One that cannot be asked now may be another time.
    const lag = await this.#settings.warm(target, task).catch(() => null)
    return lag !== null && lag <= NEAR_RECORDS
  }

  /** Null: they cannot be found out now. */
  async #targets(): Promise<ReadonlyMap<string, TaskTarget> | null> {
    return await this.#settings.targets(this.#withTables()).catch(() => null)
  }
}
