/**
 * The tries that are under way.
 *
 * 1. Each has one outcome: what `send` did, or that its time was over. What comes after that is not heard.
 * 2. Outcomes are taken by the task in its turn; `wake` tells it that there are some.
 */
import { AldebaranError } from '../errors.ts'
import { kept } from '../schema/kept.ts'
import type { Clock } from '../time/clock.ts'
import type { Attempt } from './contract.ts'
import { DeliveryError } from './delivery-error.ts'
import type { DueEvent } from './due-event.ts'
import type { CourierEnvironment } from './environment.ts'
import type { Latest } from './latest.ts'
import type { CompiledDelivery } from './settings.ts'

export interface Outcome {
  readonly event: DueEvent
  /** Null: delivered. */
  readonly error: DeliveryError | null
  /** What `send` returned, or what its error told. */
  readonly detail: unknown
  /** How long it took, ms. */
  readonly ms: number
}

interface UnderWay {
  readonly event: DueEvent
  readonly controller: AbortController
  /** Monotonic ms. */
  readonly startedAt: number
}

export class Attempts {
  readonly #settings: CompiledDelivery
  readonly #clock: Clock
  readonly #wake: () => void
  readonly #count: Attempt['count']
  readonly #latest: Latest
  readonly #outcomes: Outcome[] = []
  /** All have the same time, so the first is the first whose time is over. */
  readonly #underWay = new Set<UnderWay>()

  constructor(settings: CompiledDelivery, latest: Latest, { clock, wake, countOwn }: CourierEnvironment) {
    this.#settings = settings
    this.#clock = clock
    this.#latest = latest
    this.#wake = wake
    this.#count = (name, amount = 1) => {
      const counter = settings.counters.indexOf(name)
      if (counter !== -1) countOwn(counter, amount)
      else throw new AldebaranError('OPTION_INVALID', `'${name}' is not in counters of delivery '${settings.name}'`)
    }
  }

  /** Outcomes that are not taken yet. */
  get ended(): number {
    return this.#outcomes.length
  }

  get size(): number {
    return this.#underWay.size
  }

  /** When the time of the first of them is over, monotonic ms. */
  get deadline(): number {
    for (const { startedAt } of this.#underWay) return startedAt + this.#settings.timeout
    return Number.POSITIVE_INFINITY
  }

  begin(event: DueEvent): void {
    const one: UnderWay = {
      event,
      controller: new AbortController(),
      startedAt: this.#clock.monotonic(),
    }
    this.#underWay.add(one)
    let sent: unknown
    try {
      const { source, send } = this.#settings
      const { value } = event
      sent = send(kept(source.value.decode(value, 0, value.length)), this.#attempt(one))
    } catch (error) {
      this.#end(one, asDeliveryError(error))
      return
    }
    if (isPromise(sent)) {
      sent.then(
        (detail: unknown) => this.#end(one, null, detail),
        (error: unknown) => this.#end(one, asDeliveryError(error)),
      )
    } else this.#end(one, null, sent)
  }

  /** The outcomes since the last call. */
  take(): Outcome[] {
    this.#expire()
    return this.#outcomes.length === 0 ? NONE : this.#outcomes.splice(0)
  }

  /** Aborts all; nothing is heard of them any more. */
  close(reason: string): void {
    const error = new DeliveryError('unknown', reason)
    for (const { controller } of this.#underWay) controller.abort(error)
    this.#underWay.clear()
    this.#outcomes.length = 0
  }

  #attempt({ event, controller }: UnderWay): Attempt {
    return {
      id: event.id,
      destination: event.destination,
      tenant: event.tenant,
      number: event.tries + 1,
      since: event.since,
      startedAt: this.#clock.now(),
      timestamp: event.timestamp,
      headers: event.headers,
      key: event.key,
      latest: (topic, key) => this.#latest.get(topic, event.key, key) as never,
      count: this.#count,
      signal: controller.signal,
    }
  }

  #expire(): void {
    const now = this.#clock.monotonic()
    for (const one of this.#underWay) {
      if (one.startedAt + this.#settings.timeout > now) return
      const error = new DeliveryError('unknown', `it took longer than ${this.#settings.timeout} ms`)
      this.#end(one, error)
      one.controller.abort(error)
    }
  }

  #end(one: UnderWay, error: DeliveryError | null, detail: unknown = error?.detail): void {
    if (!this.#underWay.delete(one)) return
    this.#outcomes.push({
      event: one.event,
      error,
      detail: detail ?? null,
      ms: this.#clock.monotonic() - one.startedAt,
    })
    if (this.#outcomes.length === 1) this.#wake()
  }
}

const NONE: Outcome[] = []

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

function asDeliveryError(error: unknown): DeliveryError {
  return error instanceof DeliveryError
    ? error
    : new DeliveryError('unknown', error instanceof Error ? error.message : String(error), { cause: error })
}
