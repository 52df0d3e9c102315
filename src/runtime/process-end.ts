/**
 * How a program that called `run` ends: by SIGTERM or SIGINT, or because its application cannot go on.
 *
 *     running ── first signal ──► stopping ── everything is committed ──► exit 0
 *        │                           └─────── second signal ────────────► exit 128 + its number, at once
 *        └────── the log ended ──► stopping ───────────────────────────► exit 1
 *
 * A process may run several applications: it ends when the last of them has stopped.
 */
import { constants } from 'node:os'
import { AldebaranError, messageOf } from '../errors.ts'
import type { Running } from './start.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Those of this process, as signals are the process's: none may end it while another has something to commit. */
const ends = new Set<ProcessEnd>()

export class ProcessEnd {
  #signal: NodeJS.Signals | null = null
  #running: Running | null = null
  #stopping = false

  /** Listens at once: a signal while the application starts is heeded as soon as it can be stopped. */
  constructor() {
    ends.add(this)
    for (const signal of SIGNALS) process.on(signal, this.#hear)
  }

  /** The process is about to end: nobody needs to be told what that interrupts. */
  get stopping(): boolean {
    return this.#stopping
  }

  watch(running: Running): void {
    this.#running = running
    void running.failed.then(failure => this.#stop(failure))
    if (this.#signal !== null) void this.#stop(null)
  }

  /** Leaves the signals to others. */
  forget(): void {
    ends.delete(this)
    for (const signal of SIGNALS) process.off(signal, this.#hear)
  }

  #hear = (signal: NodeJS.Signals): void => {
    if (this.#signal !== null) process.exit(128 + constants.signals[signal])
    this.#signal = signal
    if (this.#running !== null) void this.#stop(null)
  }

  async #stop(failure: AldebaranError | null): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    const running = this.#running!
    if (failure !== null) tell(running, failure)
    process.on('uncaughtException', error => this.#excuse(error))
    try {
      await running.stop()
    } catch (error) {
      tell(running, error)
    }
    ends.delete(this)
    if (ends.size === 0) process.exit()
  }

  /** A program that goes on writing while it is stopped finds the log closed: that is no failure of its own. */
  #excuse(error: unknown): void {
    if (error instanceof AldebaranError && LOST_LOG.includes(error.code)) return
    process.exitCode = 1
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  }
}

const LOST_LOG: readonly string[] = ['LOG_CLOSED', 'LOG_STOPPED']

function tell({ application }: Running, error: unknown): void {
  process.exitCode = 1
  const remedy = error instanceof AldebaranError ? ` ${error.remedy}` : ''
  process.stderr.write(`aldebaran: '${application.name}' ends: ${messageOf(error)}.${remedy}\n`)
}
