/**
 * What brings records in from another system, for as long as an application runs.
 *
 * 1. A source is started in the main thread, once every worker runs its tasks.
 * 2. It is stopped before the API, the workers and the log, so that what it has under way still reaches the log.
 * 3. A system that cannot be reached keeps no application from starting: its source waits, and says so.
 */
import { AldebaranError } from '../errors.ts'
import { checkName } from '../pipeline/pipeline.ts'
import type { SourceState } from './source-state.ts'
import type { Running } from './start.ts'
import type { Report } from './worker-host.ts'

export interface Source {
  /** Among the sources of its application. */
  readonly name: string
  /**
   * Begins, and does not wait for the other system.
   * @throws what is wrong with its settings: the application does not start then
   */
  start(running: Running, report: Report): Promise<StartedSource>
}

export interface StartedSource {
  /** Called often: from memory. */
  state(): SourceState
  /** Resolves when nothing of it is under way. */
  stop(): Promise<void>
}

const NOT_STARTED: SourceState = {
  status: 'waiting',
  problem: null,
  records: 0,
  rejected: 0,
  newestAt: null,
  oldestAgeMs: null,
}

/** The sources of an application that runs. They stop with it. */
export class Sources {
  readonly #running: Running
  readonly #sources: readonly Source[]
  readonly #report: Report
  readonly #started = new Map<Source, StartedSource>()
  #starting: Promise<void> = Promise.resolve()
  #isStopping = false

  /** To be made after all that adds to `onStop`. @throws AldebaranError NAME_INVALID, NAME_TAKEN */
  constructor(running: Running, sources: readonly Source[], report: Report) {
    const names = new Set<string>()
    for (const { name } of sources) {
      checkName(name, 'source')
      if (names.has(name)) throw new AldebaranError('NAME_TAKEN', `two sources are named '${name}'`, { source: name })
      names.add(name)
    }
    this.#running = running
    this.#sources = sources
    this.#report = report
    running.sources = sources.map(source => ({
      name: source.name,
      state: () => this.#started.get(source)?.state() ?? NOT_STARTED,
    }))
    running.onStop(() => this.#stop())
  }

  /** To be called when the application is ready. @throws what a source throws */
  start(): Promise<void> {
    this.#starting = this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    for (const source of this.#sources) {
      if (this.#isStopping) return
      this.#started.set(source, await source.start(this.#running, this.#report))
    }
  }

  async #stop(): Promise<void> {
    this.#isStopping = true
    // Whoever started them has been told why they did not start.
    await this.#starting.catch(() => {})
    await Promise.all([...this.#started.values()].map(started => started.stop()))
  }
}
