/**
 * Kills the process of deliveries again and again while it sends, and asks the receiver what it took.
 *
 * 1. The receiver outlives the kills, and keeps how often it took each event of each delivery.
 * 2. At-least-once: it took every event. At-most-once: none twice, and every event was taken or is in doubt.
 * 3. In doubt is only what was under way at a kill: never more than that can be.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { SeededRandom } from '../src/testing/random.ts'
import { MORTAL_CONCURRENCY, MORTAL_PARTITIONS } from './deliveries-app.ts'
import { ReceiverProcess } from './deliveries-outside.ts'
import type { MortalTold } from './deliveries-process.ts'
import type { ReceiverStats } from './deliveries-receiver.ts'

export interface DeliveryCrashSettings {
  folder: string
  kills: number
  seed: number
}

export interface DeliveryVerdict {
  events: number
  /** At-least-once: never taken; taken more than once. */
  lost: number
  duplicates: number
  /** At-most-once: taken twice; neither taken nor in doubt; in doubt, and of those taken. */
  twice: number
  unaccounted: number
  in_doubt: number
  in_doubt_taken: number
  dead_letters: number
  isCorrect: boolean
  samples: string[]
}

/** Before an answer, ms, at most; and the share of events that is refused at first. */
const DELAY_MS = 5
const REFUSED = 0.02
const SHORTEST_LIFE_MS = 1
const LONGEST_LIFE_MS = 120
const SAMPLES = 5

export async function crashDeliveries({ folder, kills, seed }: DeliveryCrashSettings): Promise<DeliveryVerdict> {
  const random = new SeededRandom(seed)
  await using receiver = await ReceiverProcess.start(DELAY_MS, REFUSED)
  for (let kill = 0; kill < kills; kill++) {
    await using mortal = new MortalDeliveries(folder, receiver.url)
    await mortal.until('works')
    await Promise.race([setTimeout(SHORTEST_LIFE_MS + random.below(LONGEST_LIFE_MS)), mortal.failed])
  }
  await using last = new MortalDeliveries(folder, receiver.url)
  await last.until('ready')
  const end = await last.finish()
  return verdictOf(end, await receiver.ask('stats'), kills)
}

function verdictOf(end: MortalTold & { kind: 'end' }, { taken }: ReceiverStats, kills: number): DeliveryVerdict {
  const { least = {}, most = {} } = taken
  const numbers = Array.from({ length: end.events }, (_, n) => String(n))
  const inDoubt = new Set(end.inDoubt)
  const lost = numbers.filter(n => !(n in least))
  const twice = numbers.filter(n => (most[n] ?? 0) > 1)
  const unaccounted = numbers.filter(n => !(n in most || inDoubt.has(n)))
  const mostInDoubt = kills * MORTAL_CONCURRENCY * MORTAL_PARTITIONS
  const wrong = lost.length + twice.length + unaccounted.length + end.deadLetters
  return {
    events: end.events,
    lost: lost.length,
    duplicates: numbers.filter(n => least[n]! > 1).length,
    twice: twice.length,
    unaccounted: unaccounted.length,
    in_doubt: inDoubt.size,
    in_doubt_taken: end.inDoubt.filter(n => n in most).length,
    dead_letters: end.deadLetters,
    isCorrect: wrong === 0 && inDoubt.size === end.inDoubt.length && inDoubt.size <= mostInDoubt,
    samples: [
      ...lost.slice(0, SAMPLES).map(n => `lost ${n}`),
      ...twice.slice(0, SAMPLES).map(n => `taken twice ${n}`),
      ...unaccounted.slice(0, SAMPLES).map(n => `neither taken nor in doubt ${n}`),
    ],
  }
}

class MortalDeliveries implements AsyncDisposable {
  /** Rejects when the process ends before it is killed. */
  readonly failed: Promise<never>
  readonly #child: ChildProcess
  readonly #told = new Map<MortalTold['kind'], MortalTold>()
  #hear: () => void = () => {}
  #isKilled = false

  constructor(folder: string, url: string) {
    this.#child = fork(new URL('./deliveries-process.ts', import.meta.url), [join(folder, 'store')], {
      env: { ...process.env, DELIVERIES_URL: url, NODE_COMPILE_CACHE: join(folder, 'compiled') },
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', (told: MortalTold) => {
      this.#told.set(told.kind, told)
      this.#hear()
    })
    const failed = Promise.withResolvers<never>()
    this.failed = failed.promise
    this.failed.catch(() => {})
    this.#child.once('exit', (code, signal) => {
      if (!this.#isKilled) failed.reject(new Error(`the process of deliveries ended by itself: ${code ?? signal}`))
    })
  }

  async until<K extends MortalTold['kind']>(kind: K): Promise<MortalTold & { kind: K }> {
    for (;;) {
      const told = this.#told.get(kind)
      if (told !== undefined) return told as MortalTold & { kind: K }
      const heard = new Promise<void>(resolve => {
        this.#hear = resolve
      })
      await Promise.race([heard, this.failed])
    }
  }

  async finish(): Promise<MortalTold & { kind: 'end' }> {
    this.#child.send('finish')
    return await this.until('end')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isKilled = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}
