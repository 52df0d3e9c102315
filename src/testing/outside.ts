/**
 * What lies outside of an application in a test: whoever its deliveries go to. No `send` of the application is called;
 * receivers stand in for them, and a ledger is kept of every try.
 *
 * Invariants
 * 1. A receiver answers when the clock says so and in no other way: no promise is made, so a seed does the same again.
 * 2. Whoever began a try and is no more hears nothing of it. What has arrived has arrived.
 * 3. The ledger outlives processes: a crash of the application is none of the outside.
 */
import type { Attempt } from '../delivery/contract.ts'
import { isDeliveryPart } from '../delivery/delivery.ts'
import { DeliveryError, type DeliveryFate } from '../delivery/delivery-error.ts'
import type { Application } from '../runtime/application.ts'
import type { VirtualClock } from '../time/clock.ts'
import type { SeededRandom } from './random.ts'

/** What comes of one try. */
export interface Reply {
  /** How it ends. Default: it is delivered. */
  error?: Error
  /** When it ends, ms after it began; Infinity: never, so its time is over some day. Default 0: within the call. */
  afterMs?: number
  /** Whether it has arrived. Default: it has, unless there is an error; say true where only the answer is lost. */
  arrived?: boolean
}

/** What a receiver may know beside the try. */
export interface ReceiverWorld {
  readonly random: SeededRandom
  /** The faults of a simulation are over: what should succeed at last may do so now. */
  readonly calm: boolean
}

/** Stands in for `send`. Returns the reply, nothing when it is delivered, or throws as `send` would. */
export type Receiver<V = never> = (value: V, attempt: Attempt, world: ReceiverWorld) => Reply | undefined

/** By the names of deliveries. */
export type Receivers = Readonly<Record<string, Receiver>>

/** A try, as the ledger has it. */
export interface SentTry {
  readonly delivery: string
  readonly id: string
  readonly destination: string
  /** 1 for the first, as far as its sender knew. */
  readonly number: number
  readonly value: unknown
  /** Wall clock, ms since 1970. */
  readonly at: number
  readonly arrived: boolean
  /** What its sender heard; null: nothing, or it had given the try up by then. */
  told: 'delivered' | DeliveryFate | null
  /** Its sender gave it up: its time was over, or the task went elsewhere. */
  aborted: boolean
  /** What became of it is committed, for good. */
  settled: boolean
  /**
   * When it began; when it was over for its sender; and when its sender was lost, with what it had not settled: places
   * in the order of all that happened outside. Null: that did not come.
   */
  readonly begunAt: number
  endedAt: number | null
  lostAt: number | null
}

interface Pending {
  readonly entry: SentTry
  readonly life: number
  /** Monotonic ms. */
  readonly at: number
  readonly error: Error | undefined
  resolve: () => void
  reject: (error: Error) => void
}

interface Held {
  readonly entry: SentTry
  readonly life: number
}

export class Outside {
  /** The application, with receivers for what it sends. */
  readonly application: Application
  readonly ledger: SentTry[] = []
  /** It has deliveries. */
  readonly isUsed: boolean
  calm = false
  /** Whose turn it is: what begins now is theirs. */
  life = 0
  /** When a sender was lost last, with whatever it had in mind: as `SentTry.lostAt`; 0: none was. */
  lastLossAt = 0
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #trace: (event: string) => void
  readonly #receivers: Receivers
  readonly #byDefault: Receiver
  #pending: Pending[] = []
  /** Told or not, and not settled yet. */
  #open: Held[] = []
  #happened = 0
  #lives = 0

  constructor(
    application: Application,
    receivers: Receivers,
    byDefault: Receiver,
    clock: VirtualClock,
    random: SeededRandom,
    trace: (event: string) => void,
  ) {
    this.#clock = clock
    this.#random = random
    this.#trace = trace
    this.#receivers = receivers
    this.#byDefault = byDefault
    let isUsed = false
    const topologies = application.topologies.map(topology => ({
      ...topology,
      parts: topology.parts.map(part => {
        if (!isDeliveryPart(part)) return part
        isUsed = true
        const receiver = (receivers[part.name] ?? byDefault) as Receiver<unknown>
        const send = (value: unknown, attempt: Attempt) => this.#begin(part.name, receiver, value, attempt)
        return { ...part, delivery: { ...part.delivery, send } }
      }),
    }))
    this.application = isUsed ? { ...application, topologies } : application
    this.isUsed = isUsed
  }

  /** The same receivers for another version of the application; its ledger begins anew. */
  with(application: Application): Outside {
    return new Outside(application, this.#receivers, this.#byDefault, this.#clock, this.#random, this.#trace)
  }

  /** The number of a sender that begins to live. */
  born(): number {
    return ++this.#lives
  }

  /** That sender, or what it has in memory, is no more. */
  lost(life: number): void {
    this.lastLossAt = ++this.#happened
    for (const { entry, life: of } of this.#open) {
      if (of !== life) continue
      entry.lostAt = this.#happened
      entry.endedAt ??= this.#happened
    }
    this.#open = this.#open.filter(held => held.life !== life)
    this.#pending = this.#pending.filter(one => one.life !== life)
  }

  /** Everything that sender has heard is committed. */
  rested(life: number): void {
    if (this.#open.length === 0) return
    this.#open = this.#open.filter(({ entry, life: of }) => {
      if (of !== life || entry.endedAt === null) return true
      entry.settled = true
      return false
    })
  }

  /** Gives the reply that has been due for longest. False: none is. */
  answer(): boolean {
    const [first] = this.#pending
    if (first === undefined || first.at > this.#clock.monotonic()) return false
    this.#pending.shift()
    // It is not listened to any more.
    if (first.entry.endedAt !== null) return true
    this.#tell(first.entry, first.error)
    if (first.error === undefined) first.resolve()
    else first.reject(first.error)
    return true
  }

  /** When the next reply is due, monotonic ms; Infinity: none will be. */
  get nextAt(): number {
    return this.#pending[0]?.at ?? Number.POSITIVE_INFINITY
  }

  #begin(delivery: string, receiver: Receiver<unknown>, value: unknown, attempt: Attempt): unknown {
    const { life } = this
    const reply = replyOf(() => receiver(value, attempt, { random: this.#random, calm: this.calm }))
    const { error, afterMs = 0, arrived = error === undefined } = reply
    const { id, destination, number, signal } = attempt
    const entry: SentTry = {
      delivery,
      id,
      destination,
      number,
      value,
      at: this.#clock.now(),
      arrived,
      told: null,
      aborted: false,
      settled: false,
      begunAt: ++this.#happened,
      endedAt: null,
      lostAt: null,
    }
    this.ledger.push(entry)
    this.#open.push({ entry, life })
    this.#trace(`${delivery} sends ${id} to ${destination}, try ${number}: ${outcomeOf(error)} after ${afterMs} ms`)
    if (afterMs <= 0) {
      this.#tell(entry, error)
      if (error !== undefined) throw error
      return undefined
    }
    signal.addEventListener('abort', () => {
      if (entry.endedAt !== null) return
      entry.aborted = true
      entry.endedAt = ++this.#happened
    })
    if (afterMs === Number.POSITIVE_INFINITY) return NEVER
    const pending: Pending = {
      entry,
      life,
      at: this.#clock.monotonic() + afterMs,
      error,
      resolve: nothing,
      reject: nothing,
    }
    const before = this.#pending.findIndex(one => one.at > pending.at)
    this.#pending.splice(before === -1 ? this.#pending.length : before, 0, pending)
    return thenable((resolve, reject) => {
      pending.resolve = resolve
      pending.reject = reject
    })
  }

  #tell(entry: SentTry, error: Error | undefined): void {
    entry.told = outcomeOf(error)
    entry.endedAt = ++this.#happened
  }
}

/** Heard at once, where a promise would be heard after all else that is queued. */
function thenable(then: (resolve: () => void, reject: (error: Error) => void) => void): object {
  return { then }
}

const nothing = (): void => {}
const NEVER = thenable(nothing)

function replyOf(receive: () => Reply | undefined): Reply {
  try {
    return receive() ?? {}
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }
}

function outcomeOf(error: Error | undefined): 'delivered' | DeliveryFate {
  if (error === undefined) return 'delivered'
  return error instanceof DeliveryError ? error.fate : 'unknown'
}

/** Takes everything at once. */
export const takesAll: Receiver<unknown> = () => undefined

/**
 * A receiver with every fault: it refuses, is busy, loses its answer, or never gives one. One try in two is delivered;
 * when the faults of a simulation are over, all are.
 */
export const unreliable: Receiver<unknown> = (_value, _attempt, { random, calm }) => {
  const afterMs = random.pick([0, 0, 1, 5, 20])
  if (calm) return { afterMs }
  switch (random.below(8)) {
    case 0:
      return { afterMs, error: new DeliveryError('retry', 'refused') }
    case 1:
      return { afterMs, error: new DeliveryError('throttle', 'busy', { retryAfter: 1 + random.below(20) }) }
    case 2:
      return { afterMs, error: new Error('the connection broke'), arrived: random.chance(0.5) }
    case 3:
      return { afterMs: Number.POSITIVE_INFINITY, arrived: random.chance(0.5) }
    default:
      return { afterMs }
  }
}
