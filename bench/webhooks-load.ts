/**
 * Publishes events over HTTP, in a process of its own: at a fixed rate whatever the answers, or as fast as it is taken.
 *
 * 1. Event number n goes to endpoint n % endpoints, which belongs to tenant n % tenants. Each tenant sends a batch every
 *    `tick` ms, one tenant after the other: its share of the rate.
 * 2. An event says when it was planned, not when it was sent (no coordinated omission).
 * 3. A batch that was not taken is sent again, with the same ids, until it is.
 */
import { setTimeout } from 'node:timers/promises'
import { Pool } from 'undici'
import { answerCalls, sharedNow } from './webhooks-process.ts'

export interface LoadSettings {
  url: string
  /** Of tenant t: `${account}${t}`. */
  account: string
  /** Events a second; 0: as fast as they are taken, `ahead` at most of them not delivered. */
  rate: number
  ahead: number
  /** Number of the first event, and how many there are; Infinity: until `stop`. */
  first: number
  count: number
  endpoints: number
  tenants: number
  /** Endpoints whose events are left out. */
  without: readonly number[]
  /** ms */
  tick: number
  /** Of a batch, without a rate. */
  batch: number
  /** Of an event. */
  bytes: number
}

export interface LoadTold {
  /** Numbers up to here were planned, and events sent and taken of them. */
  planned: number
  taken: number
  /** Batches that had to be sent again. */
  again: number
  /** How late a batch was sent at most, ms. */
  behindMs: number
  seconds: number
}

const CONNECTIONS = 32
/** Without a rate. */
const LANES = 8
const AGAIN_MS = 20
/** What an event has beside its padding. */
const FRAME = 90

export class Load {
  readonly told: LoadTold = { planned: 0, taken: 0, again: 0, behindMs: 0, seconds: 0 }
  /** As others tell it; see `ahead`. */
  delivered = 0
  readonly #settings: LoadSettings
  readonly #pool: Pool
  readonly #without: ReadonlySet<number>
  readonly #padding: string
  readonly #underWay = new Set<Promise<void>>()
  #isStopped = false
  #failure: unknown = null

  constructor(settings: LoadSettings) {
    this.#settings = settings
    this.#pool = new Pool(settings.url, { connections: CONNECTIONS })
    this.#without = new Set(settings.without)
    this.#padding = 'x'.repeat(Math.max(1, settings.bytes - FRAME))
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Resolves when all that was planned was taken. */
  async run(): Promise<LoadTold> {
    const begun = sharedNow()
    if (this.#settings.rate > 0) await this.#atRate(begun)
    else await Promise.all(Array.from({ length: LANES }, () => this.#lane()))
    await Promise.all(this.#underWay)
    this.told.seconds = (sharedNow() - begun) / 1000
    await this.#pool.close()
    if (this.#failure !== null) throw this.#failure
    return this.told
  }

  async #atRate(begun: number): Promise<void> {
    const { first, count, tenants, tick, rate } = this.#settings
    const perTick = (rate / tenants / 1000) * tick
    for (let turn = 0; this.#goesOn && this.told.planned < count; turn++) {
      const tenant = turn % tenants
      const round = Math.floor(turn / tenants)
      const at = begun + (round + tenant / tenants) * tick
      const wait = at - sharedNow()
      if (wait > 0.5) await setTimeout(wait)
      this.told.behindMs = Math.max(this.told.behindMs, sharedNow() - at)
      const numbers: number[] = []
      for (let m = Math.floor(round * perTick); m < Math.floor((round + 1) * perTick); m++) {
        const number = m * tenants + tenant
        if (number < count) numbers.push(first + number)
      }
      this.told.planned += numbers.length
      this.#post(tenant, numbers, at)
    }
  }

  async #lane(): Promise<void> {
    const { first, count, tenants, batch, ahead } = this.#settings
    while (this.#goesOn && this.told.planned < count) {
      if (this.told.planned - this.delivered >= ahead) {
        await setTimeout(1)
        continue
      }
      const at = this.told.planned
      // As many of each tenant: numbers stay without gaps.
      const size = Math.min(batch * tenants, count - at)
      this.told.planned += size
      for (let tenant = 0; tenant < tenants; tenant++) {
        const numbers: number[] = []
        for (let number = at + tenant; number < at + size; number += tenants) numbers.push(first + number)
        await this.#post(tenant, numbers, sharedNow())
      }
    }
  }

  get #goesOn(): boolean {
    return !this.#isStopped && this.#failure === null
  }

  /** `numbers` are of one tenant, all of them, also those that are left out. */
  #post(tenant: number, numbers: readonly number[], at: number): Promise<void> {
    const { endpoints, tenants } = this.#settings
    const kept = this.#without.size === 0 ? numbers : numbers.filter(number => !this.#without.has(number % endpoints))
    if (kept.length === 0) return Promise.resolve()
    const events = kept.map(number => {
      const slot = Math.floor((number % endpoints) / tenants)
      return `{"id":"e_${number}","type":"e.${slot}","data":{"at":${at.toFixed(3)},"pad":"${this.#padding}"}}`
    })
    const posted = this.#deliver(tenant, `[${events.join(',')}]`, kept.length).catch((error: unknown) => {
      this.#failure ??= error
    })
    this.#underWay.add(posted)
    return posted.finally(() => this.#underWay.delete(posted))
  }

  async #deliver(tenant: number, body: string, count: number): Promise<void> {
    const path = `/webhooks/accounts/${this.#settings.account}${tenant}/events`
    const headers = { 'content-type': 'application/json' }
    for (;;) {
      const answer = await this.#pool.request({ path, method: 'POST', headers, body })
      if (answer.statusCode === 202) {
        await answer.body.dump()
        this.told.taken += count
        return
      }
      const text = await answer.body.text()
      if (answer.statusCode !== 503 && answer.statusCode !== 429) throw new Error(`${answer.statusCode} ${text}`)
      this.told.again++
      await setTimeout(AGAIN_MS)
    }
  }
}

let load: Load | null = null

const calls = {
  async run(settings: LoadSettings): Promise<LoadTold> {
    load = new Load(settings)
    return await load.run()
  },
  told: (_: null): LoadTold => load!.told,
  stop: (_: null): void => load!.stop(),
  delivered(count: number): void {
    load!.delivered = count
  },
}
export type LoadCalls = typeof calls

if (import.meta.main && process.send !== undefined) answerCalls(calls)
