/**
 * Kills the process of the auditor again and again while it is under load, and goes on where it stood.
 *
 * Invariants
 * 1. A unit is sent again unless the store has it: the position that the auditor tells when it is ready decides.
 * 2. That position is never behind what was acknowledged, and always stands between two units: anything else is a
 *    loss, and ends the run with an error.
 * 3. When to kill is drawn from the seed; where that hits the program is up to the machine.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Workload } from '../apps/audit/workload.ts'
import { SeededRandom } from '../src/testing/random.ts'
import { CrashCheck, type Verdict } from './crash-check.ts'
import type { CrashAnswer, CrashCommand, CrashEnd, Message } from './crash-process.ts'

export interface CrashSettings {
  folder: string
  kills: number
  workers: number
  durability: 'process' | 'disk'
  seed: number
}

export interface CrashResult {
  messages: number
  verdict: Verdict
  /** From the start of the process until its tasks run, ms, for each that came so far. */
  restarts: number[]
  /** Kills before the tasks ran. */
  early: number
  /** Records read back from changelogs by all starts together. */
  restored: number
}

const UNIT_MESSAGES = 100
const UNITS_UNDER_WAY = 8
/** Longer than any run: no book is due before the end, so it is known what each must be. */
const DELTA_MS = 6 * 3_600_000
const PARTITIONS = 4
/** One kill in so many comes while the process starts and restores. */
const EARLY_EACH = 5
const SHORTEST_LIFE_MS = 5
const LONGEST_LIFE_MS = 150
/** About as long as a start takes. */
const LONGEST_START_MS = 400

interface Unit {
  readonly end: number
  readonly messages: readonly Message[]
}

export async function crashRun(settings: CrashSettings): Promise<CrashResult> {
  const random = new SeededRandom(settings.seed)
  const sender = new Sender(settings.seed)
  const restarts: number[] = []
  let early = 0
  let restored = 0
  for (let kill = 0; kill < settings.kills; kill++) {
    const auditor = new Auditor(settings, sender)
    try {
      const dies = auditor.exited
      if (random.below(EARLY_EACH) === 0) {
        await Promise.race([setTimeout(random.below(LONGEST_START_MS)), dies])
      } else {
        await Promise.race([auditor.works, dies])
        await setTimeout(SHORTEST_LIFE_MS + random.below(LONGEST_LIFE_MS - SHORTEST_LIFE_MS))
      }
    } finally {
      await auditor.kill()
    }
    if (auditor.readyAfterMs === null) early++
    else restarts.push(auditor.readyAfterMs)
    restored += auditor.restored
  }
  sender.stop()
  const last = new Auditor(settings, sender)
  try {
    const end = await last.finish()
    restarts.push(last.readyAfterMs!)
    return { messages: sender.created, verdict: sender.check.verdict(end), restarts, early, restored }
  } finally {
    await last.kill()
  }
}

/** Where the messages come from: it outlives the auditor and knows what was acknowledged. */
class Sender {
  readonly check = new CrashCheck()
  created = 0
  #acknowledged = 0
  #stopped = false
  /** Created and not known to be committed. */
  #units: Unit[] = []
  /** How many of them the auditor at hand was sent. */
  #sent = 0
  readonly #workload: Workload

  constructor(seed: number) {
    this.#workload = new Workload(seed, Number.MAX_SAFE_INTEGER, () => {})
  }

  /** Creates nothing more. */
  stop(): void {
    this.#stopped = true
  }

  get allAcknowledged(): boolean {
    return this.#units.length === 0
  }

  /** A new auditor says where it stands. */
  resume(position: number): void {
    if (position < this.#acknowledged) {
      throw new Error(`message ${this.#acknowledged} was acknowledged, and the store ends at ${position}`)
    }
    const whole = position === this.#acknowledged || this.#units.some(unit => unit.end === position)
    if (!whole) throw new Error(`the store ends at message ${position}, within a unit`)
    this.#forget(position)
    this.#sent = 0
  }

  acknowledge(end: number): void {
    const before = this.#units.length
    this.#forget(end)
    this.#sent -= before - this.#units.length
  }

  /** The next unit to send, or null when enough is under way. */
  next(): Unit | null {
    if (this.#sent === UNITS_UNDER_WAY) return null
    if (this.#sent === this.#units.length) {
      if (this.#stopped) return null
      this.#units.push(this.#create())
    }
    return this.#units[this.#sent++]!
  }

  #forget(end: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, end)
    this.#units = this.#units.filter(unit => unit.end > end)
  }

  #create(): Unit {
    const work = this.#workload
    const messages: Message[] = []
    while (messages.length < UNIT_MESSAGES && work.next()) {
      const { isRequest, orderId, purchaseId, shares, stock, client } = work
      const message: Message = [orderId, isRequest ? 0 : purchaseId, shares, stock, client]
      this.check.add(message)
      messages.push(message)
    }
    this.created += messages.length
    return { end: this.created, messages }
  }
}

class Auditor {
  readyAfterMs: number | null = null
  restored = 0
  /** It has processed something. */
  readonly works: Promise<void>
  /** Rejects when the process ends before it is killed. */
  readonly exited: Promise<never>
  readonly #child: ChildProcess
  readonly #sender: Sender
  readonly #begun = performance.now()
  readonly #ended = Promise.withResolvers<CrashEnd>()
  readonly #works = Promise.withResolvers<void>()
  readonly #failed = Promise.withResolvers<never>()
  #finishing = false
  #killed = false

  constructor({ folder, workers, durability }: CrashSettings, sender: Sender) {
    this.#sender = sender
    this.works = this.#works.promise
    this.exited = this.#failed.promise
    this.exited.catch(() => {})
    this.#child = fork(
      new URL('./crash-process.ts', import.meta.url),
      [join(folder, 'store'), String(workers), durability],
      {
        env: {
          ...process.env,
          AUDIT_IDS: 'integer',
          AUDIT_DELTA_MS: String(DELTA_MS),
          AUDIT_PARTITIONS: String(PARTITIONS),
          // As the command line does.
          NODE_COMPILE_CACHE: join(folder, 'compiled'),
        },
        execArgv: [],
        serialization: 'advanced',
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    )
    this.#child.on('message', (answer: CrashAnswer) => {
      try {
        this.#hear(answer)
      } catch (error) {
        this.#failed.reject(error)
      }
    })
    this.#child.once('exit', (code, signal) => {
      if (!this.#killed) this.#failed.reject(new Error(`the auditor ended by itself: ${code ?? signal}`))
    })
  }

  /** Everything is sent and processed. */
  async finish(): Promise<CrashEnd> {
    this.#finishing = true
    this.#pour()
    return await Promise.race([this.#ended.promise, this.exited])
  }

  async kill(): Promise<void> {
    this.#killed = true
    const { exitCode, signalCode } = this.#child
    if (exitCode !== null || signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #hear(answer: CrashAnswer): void {
    if (answer.kind === 'ready') {
      this.readyAfterMs = performance.now() - this.#begun
      this.restored = answer.restored
      this.#sender.resume(answer.position)
    }
    if (answer.kind === 'committed') this.#sender.acknowledge(answer.end)
    if (answer.kind === 'works') this.#works.resolve()
    if (answer.kind === 'end') this.#ended.resolve(answer.end)
    else this.#pour()
  }

  #pour(): void {
    if (this.readyAfterMs === null || this.#killed) return
    for (let unit = this.#sender.next(); unit !== null; unit = this.#sender.next())
      this.#tell({ kind: 'unit', ...unit })
    if (!this.#finishing || !this.#sender.allAcknowledged) return
    this.#finishing = false
    this.#tell({ kind: 'finish' })
  }

  #tell(command: CrashCommand): void {
    // What is written to a process that is being killed is lost, as it should be.
    this.#child.send(command, () => {})
  }
}
