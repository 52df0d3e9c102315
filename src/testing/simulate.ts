/**
 * Runs a whole application in one thread on a simulated store, a virtual clock and a seeded scheduler: which worker,
 * the producer or the log goes next, when the process or its power ends, where in a commit, when the disk is full, how
 * the clock jumps, when tasks move to other workers, all is drawn from the seed. So a seed that fails fails again, the
 * same way.
 *
 * Invariants of the machinery, checked with every run:
 * 1. After the faults end and time passes, every record sent was processed and every worker is at rest.
 * 2. Every standby has the rows of its task then.
 * 3. The scenario's own invariants hold for what the log then says.
 */
import type { Log } from '../log/contract.ts'
import { inlineLog } from '../log/inline.ts'
import { crc32c } from '../record/crc32c.ts'
import type { Application } from '../runtime/application.ts'
import { prepare } from '../runtime/prepare.ts'
import { VirtualClock } from '../time/clock.ts'
import { Outside, type Receivers, unreliable } from './outside.ts'
import { SeededRandom } from './random.ts'
import { type CrashCause, SimulatedCrash, SimulatedStore } from './simulated-store.ts'
import { wrongStandbys } from './simulation-director.ts'
import { SimulationEnd } from './simulation-end.ts'
import { type SimulatedRecord, World, type WorldSettings } from './simulation-world.ts'

export interface Scenario {
  /** Sent in this order. */
  records: readonly SimulatedRecord[]
  /** Sent when the faults are over: what an operator would tell deliveries at last, say. */
  afterFaults?: readonly SimulatedRecord[]
  /** How far the clock goes on after everything was sent, so that timers fire, ms. */
  settleMs: number
  /** What is wrong with the end; nothing: all is well. */
  check(end: SimulationEnd): string[]
}

export interface SimulationSpec {
  application: Application
  /** What stands in for the `send` of deliveries, by their names. Default of each: `unreliable`. None goes outside. */
  deliveries?: Receivers
  scenario(random: SeededRandom): Scenario
}

/** How often each fault happens: expected times a run. 0: never. */
export interface Faults {
  crash: number
  workerCrash: number
  diskFull: number
  clockJump: number
  /** A task goes to another worker, or gets or loses a standby. */
  move: number
}

export const DEFAULT_FAULTS: Faults = { crash: 4, workerCrash: 2, diskFull: 1, clockJump: 2, move: 12 }

export interface SimulationOptions {
  seed: number
  faults?: Partial<Faults>
  /** Called with each event, for looking at one seed. */
  trace?: (event: string) => void
}

export interface SimulationResult {
  seed: number
  violations: string[]
  /** A checksum of all that happened: equal seeds, equal digests. */
  digest: number
  steps: number
  crashes: number
}

const MAX_STEPS = 200_000
/** Steps in which faults are drawn. */
const FAULT_STEPS = 600
const MAX_JUMP_MS = 20_000

export async function simulate(spec: SimulationSpec, options: SimulationOptions): Promise<SimulationResult> {
  const run = new SimulationRun(spec, options)
  await run.prepare()
  return run.run()
}

class SimulationRun {
  readonly #options: SimulationOptions
  readonly #random: SeededRandom
  readonly #clock = new VirtualClock(1_700_000_000_000)
  readonly #store: SimulatedStore
  readonly #scenario: Scenario
  readonly #outside: Outside
  readonly #faults: Faults
  #digest = 0
  readonly #power: CrashCause
  #settings!: WorldSettings
  #world!: World
  #steps = 0
  #crashes = 0
  /** Crash at the n-th step of commits from now; −1: no. */
  #crashIn = -1
  #jumps = 3
  #diskFullUntil = -1

  constructor(spec: SimulationSpec, options: SimulationOptions) {
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#faults = { ...DEFAULT_FAULTS, ...options.faults }
    const durability = this.#random.chance(0.5) ? 'disk' : 'process'
    // With durability 'process' a loss of power may lose what was acknowledged, which is no fault of ours.
    this.#power = durability === 'disk' && this.#random.chance(0.5) ? 'power' : 'process'
    this.#store = new SimulatedStore({ durability })
    this.#scenario = spec.scenario(this.#random)
    const { application, deliveries = {} } = spec
    const trace = (event: string) => this.#trace(event)
    this.#outside = new Outside(application, deliveries, unreliable, this.#clock, this.#random, trace)
  }

  async prepare(): Promise<void> {
    const { application } = this.#outside
    const setup = inlineLog(this.#store, { clock: this.#clock, durability: this.#store.durability })
    const log: Log = setup.client()
    const versions = await prepare(application, log)
    await log.close()
    this.#store.sync()
    this.#settings = {
      application,
      store: this.#store,
      clock: this.#clock,
      random: this.#random,
      versions,
      workers: 1 + this.#random.below(3),
      outside: this.#outside,
      records: this.#scenario.records,
      afterFaults: this.#scenario.afterFaults ?? [],
      markerTopic: application.deadLetters.name,
      onStep: step => this.#commitStep(step),
      trace: event => this.#trace(event),
    }
  }

  run(): SimulationResult {
    this.#world = new World(this.#settings)
    const violations: string[] = []
    let settled = 0
    while (violations.length === 0) {
      if (this.#steps++ > MAX_STEPS) {
        violations.push(`not at rest after ${MAX_STEPS} steps`)
        break
      }
      try {
        if (this.#steps < FAULT_STEPS) this.#drawFaults()
        else this.#calm()
        this.#oneStep()
        if (this.#steps >= FAULT_STEPS && this.#world.idle && !this.#anyWork() && !this.#awaitOutside()) {
          // Time goes on in small steps, so that timers set by timers fire too.
          if (settled >= this.#scenario.settleMs) break
          const step = Math.max(1, this.#scenario.settleMs / 20)
          settled += step
          this.#clock.advance(step)
        }
      } catch (error) {
        if (!(error instanceof SimulatedCrash)) throw error
        this.#restart()
      }
    }
    if (violations.length === 0) {
      violations.push(...wrongStandbys(this.#world.workers))
      violations.push(...this.#scenario.check(new SimulationEnd(this.#world, this.#outside)))
    }
    return {
      seed: this.#options.seed,
      violations,
      digest: this.#digest,
      steps: this.#steps,
      crashes: this.#crashes,
    }
  }

  #oneStep(): void {
    const random = this.#random
    const world = this.#world
    if (this.#outside.isUsed && random.chance(0.5)) this.#outside.answer()
    switch (random.below(9)) {
      case 0:
        world.produce(1 + random.below(12))
        return
      case 1:
        world.pumpProducer()
        return
      case 2:
      case 3:
        if (world.log.step()) this.#trace('commit')
        return
      case 4:
        this.#clock.advance(random.below(5))
        return
      case 5:
        world.direct()
        return
      default:
        this.#stepWorker(random.below(world.workers.length))
    }
  }

  #stepWorker(i: number): boolean {
    const worked = this.#world.stepWorker(i)
    if (worked) this.#trace(`worker ${i}`)
    return worked
  }

  #anyWork(): boolean {
    let worked = false
    this.#world.direct()
    for (let i = 0; i < this.#world.workers.length; i++) if (this.#stepWorker(i)) worked = true
    if (this.#world.log.step()) worked = true
    return worked
  }

  /** True: somebody outside has still to reply, and does so next. */
  #awaitOutside(): boolean {
    const { nextAt } = this.#outside
    if (nextAt === Number.POSITIVE_INFINITY) return false
    this.#clock.advance(Math.max(0, nextAt - this.#clock.monotonic()))
    this.#outside.answer()
    return true
  }

  #drawFaults(): void {
    const random = this.#random
    const faults = this.#faults
    if (this.#crashIn < 0 && random.chance(faults.crash / FAULT_STEPS)) {
      if (random.chance(0.5)) this.#crashIn = random.below(10)
      else this.#store.armCrash(random.pick(['before', 'during', 'after']), random.below(3))
      this.#trace('crash armed')
    }
    if (random.chance(faults.workerCrash / FAULT_STEPS)) {
      const i = random.below(this.#world.workers.length)
      this.#trace(`worker ${i} ends`)
      this.#world.restartWorker(i)
    }
    if (random.chance(faults.diskFull / FAULT_STEPS)) {
      this.#trace('disk full')
      this.#store.diskBytes = this.#store.usedBytes()
      this.#diskFullUntil = this.#steps + random.below(100)
    }
    if (this.#steps > this.#diskFullUntil) this.#store.diskBytes = Number.POSITIVE_INFINITY
    if (this.#jumps > 0 && random.chance(faults.clockJump / FAULT_STEPS)) {
      this.#jumps--
      const jump = random.below(2 * MAX_JUMP_MS) - MAX_JUMP_MS
      this.#trace(`clock jumps ${jump}`)
      this.#clock.jump(jump)
    }
    if (random.chance(faults.move / FAULT_STEPS)) this.#trace(this.#world.director.move(random))
  }

  /** No more faults: those that are armed do not count either. */
  #calm(): void {
    this.#outside.calm = true
    this.#crashIn = -1
    this.#store.diskBytes = Number.POSITIVE_INFINITY
    this.#store.disarm()
    this.#world.director.calm()
    this.#clock.advance(1)
  }

  #commitStep(step: string): void {
    if (this.#crashIn < 0) return
    if (this.#crashIn-- > 0) return
    this.#trace(`crash at ${step}`)
    this.#store.crash()
  }

  #restart(): void {
    this.#crashes++
    this.#crashIn = -1
    this.#trace(`restart after loss of ${this.#power}`)
    this.#world.end()
    this.#store.restart(this.#power)
    this.#clock.advance(this.#random.below(2000))
    this.#world = new World(this.#settings)
  }

  #trace(event: string): void {
    const line = Buffer.from(`${this.#steps} ${event}`)
    this.#digest = (Math.imul(this.#digest, 31) + crc32c(line, 0, line.length)) >>> 0
    this.#options.trace?.(line.toString())
  }
}
