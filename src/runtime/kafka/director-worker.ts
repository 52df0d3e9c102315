/**
 * One worker as its groups see it: the sum of what they want of it, and what it holds.
 *
 * Invariants
 * 1. A task is held from the moment it is handed to the worker until the worker told that it is closed.
 * 2. What the worker tells may be older than what it was handed. So the next assignment is handed over only when what it
 *    tells shows the one before: a task that it does not tell of is then closed, and not about to be begun.
 */
import type { AssignedWorker, Assignment } from '../assignment.ts'

/** A worker that does not show an assignment for so long (what came is damaged, say) is handed the next one, ms. */
const SILENT_MS = 5000

export class DirectedWorker {
  readonly worker: AssignedWorker
  readonly #wants = new Map<string, Assignment>()
  readonly #onHeld: (() => void)[] = []
  #handed: Assignment = { active: [], standby: [] }
  /** Active tasks that came and went with what was handed last; both empty: it was shown. */
  #coming: readonly string[] = []
  #going: readonly string[] = []
  #silence: NodeJS.Timeout | null = null
  #closed = false

  constructor(worker: AssignedWorker) {
    this.worker = worker
    worker.onOwned(() => {
      if (this.#isShown()) this.#settle()
      this.#hand()
      this.#tell()
    })
  }

  /** What one group wants, in place of what it wanted before. */
  want(group: string, assignment: Assignment): void {
    this.#wants.set(group, assignment)
    this.#hand()
  }

  /** The active tasks it holds: that run, shall run, or are not closed yet. */
  get held(): ReadonlySet<string> {
    const { active, restoring, closing } = this.worker.owned
    return new Set([...active, ...restoring, ...closing, ...this.#handed.active])
  }

  /** Called when `held` may have changed, or what is known of the standbys. */
  onHeld(listener: () => void): void {
    this.#onHeld.push(listener)
  }

  /** Nothing is handed to it any more. */
  close(): void {
    this.#closed = true
    if (this.#silence !== null) clearTimeout(this.#silence)
  }

  #tell(): void {
    for (const listener of this.#onHeld) listener()
  }

  /** All that came begins at once, so one of them is enough. */
  #isShown(): boolean {
    const { active, restoring } = this.worker.owned
    const begun = new Set([...active, ...restoring])
    if (this.#going.some(task => begun.has(task))) return false
    return this.#coming.length === 0 || this.#coming.some(task => begun.has(task))
  }

  #settle(): void {
    this.#coming = []
    this.#going = []
    if (this.#silence !== null) clearTimeout(this.#silence)
    this.#silence = null
  }

  #hand(): void {
    if (this.#closed || this.#coming.length + this.#going.length > 0) return
    const wants = [...this.#wants.values()]
    const active = new Set(wants.flatMap(want => want.active))
    const standby = new Set(wants.flatMap(want => want.standby).filter(task => !active.has(task)))
    const before = new Set(this.#handed.active)
    this.#coming = [...active].filter(task => !before.has(task))
    this.#going = [...before].filter(task => !active.has(task))
    const moves = this.#coming.length + this.#going.length > 0
    if (!moves && isEqual(standby, this.#handed.standby)) return
    this.#handed = { active: [...active], standby: [...standby] }
    if (moves) {
      this.#silence = setTimeout(() => {
        this.#settle()
        this.#hand()
        this.#tell()
      }, SILENT_MS)
      this.#silence.unref()
    }
    this.worker.assign(this.#handed)
  }
}

function isEqual(a: ReadonlySet<string>, b: readonly string[]): boolean {
  return a.size === b.length && b.every(task => a.has(task))
}
