/**
 * Keeps a session of PostgreSQL up for something that works with it: what a source and a sink share.
 *
 *     serve ─► fails ─► waits, longer each time, and says why ─► serve … until it is stopped
 *
 * 1. A failure has one way out: `serve` throws, and with it ends whatever it had opened.
 * 2. A problem is told once, and is in the state as long as it lasts.
 */
import { AldebaranError, messageOf } from '../../errors.ts'
import type { SourceState } from '../../runtime/source-state.ts'
import type { Report } from '../../runtime/worker-host.ts'
import { Alarm } from '../../time/alarm.ts'

export interface KeptSession {
  readonly kind: 'source' | 'sink'
  readonly name: string
  readonly table: string
  /** For messages: without a password. */
  readonly database: string
  /** Told when it begins to work, and when another one does instead. */
  readonly messages: { readonly running: string; readonly standby: string }
  /** Between two tries, at most. */
  readonly longestPauseMs: number
  /** Works until `isStopping`; then it returns. `alarm` rings when that begins. */
  serve(alarm: Alarm): Promise<void>
  /** What is under way fails. */
  cut(): void
}

/** What whoever works in the session tells of it, over all sessions. */
interface WorkDone {
  records: number
  rejected: number
  /** When the last record was written, ms since 1970; null: none yet. */
  newestAt: number | null
  /** Of the oldest thing that waits to be taken, ms since 1970; null: nothing waits, or its time is not known. */
  oldestAt: number | null
}

const FIRST_PAUSE_MS = 250
/** What is under way gets so long to end, and then to be cut off. */
const STOP_MS = 5000

export class SessionKeeper {
  isStopping = false
  readonly done: WorkDone = { records: 0, rejected: 0, newestAt: null, oldestAt: null }
  readonly #kept: KeptSession
  readonly #report: Report
  /** Rung by what comes from the session, and by `stop`. */
  #alarm = new Alarm()
  #ended: Promise<void> = Promise.resolve()
  #failures = 0
  #status: SourceState['status'] = 'waiting'
  #problem: AldebaranError | null = null

  constructor(kept: KeptSession, report: Report) {
    this.#kept = kept
    this.#report = report
  }

  start(): void {
    this.#ended = this.#run()
  }

  /** @param now ms since 1970 */
  state(now: number): SourceState {
    const status = this.#status
    const { oldestAt, ...counts } = this.done
    const age = oldestAt === null ? null : Math.max(0, now - oldestAt)
    const oldestAgeMs = status === 'running' ? (age ?? 0) : age
    return { status, problem: this.#problemShown(), ...counts, oldestAgeMs }
  }

  #problemShown(): SourceState['problem'] {
    if (this.#problem === null) return null
    const { message, code, remedy } = this.#problem
    return { code: code ?? null, message, remedy: remedy ?? null }
  }

  /** It works, or another one does. */
  succeed(status: 'running' | 'standby'): void {
    const { kind, name, table, messages } = this.#kept
    if (status !== this.#status) this.#report('info', messages[status], { [kind]: name, table })
    this.#status = status
    this.#problem = null
    this.progress()
  }

  /** Something was done: the next failure is tried again soon. */
  progress(): void {
    this.#failures = 0
  }

  async stop(): Promise<void> {
    this.isStopping = true
    this.#alarm.ring()
    const cut = setTimeout(() => this.#kept.cut(), STOP_MS)
    // A log that does not answer ends what waits for it when it is closed, which comes after this.
    const givenUp = Promise.withResolvers<void>()
    const giveUp = setTimeout(givenUp.resolve, 2 * STOP_MS)
    await Promise.race([this.#ended, givenUp.promise])
    clearTimeout(cut)
    clearTimeout(giveUp)
  }

  async #run(): Promise<void> {
    while (!this.isStopping) {
      try {
        await this.#kept.serve(this.#alarm)
      } catch (error) {
        if (this.isStopping) return
        // What rings from now on is not of the session that was lost.
        this.#alarm = new Alarm()
        this.#fail(error)
        const pause = Math.min(this.#kept.longestPauseMs, FIRST_PAUSE_MS * 2 ** this.#failures++)
        await this.#alarm.wait(pause * (0.75 + Math.random() / 2))
      }
    }
  }

  #fail(error: unknown): void {
    const { kind, name, table, database } = this.#kept
    const problem = error instanceof AldebaranError ? error : new AldebaranError('INTERNAL', messageOf(error))
    if (problem.message !== this.#problem?.message) {
      this.#report(problem.fate === 'retry' ? 'warn' : 'error', `the ${kind} waits, and tries again`, {
        [kind]: name,
        table,
        database,
        code: problem.code,
        error: problem.message,
        remedy: problem.remedy,
      })
    }
    this.#status = 'waiting'
    this.#problem = problem
  }
}
