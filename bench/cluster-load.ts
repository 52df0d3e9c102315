/**
 * The load of an auditor on Kafka as seen from outside: a process that sends trades, and a consumer of committed alerts
 * that keeps when each came.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { buildAudit } from '../apps/audit/app.ts'
import type { AlertKind } from '../apps/audit/rules.ts'
import type { Log } from '../src/log/contract.ts'
import { type KafkaHost, openKafka } from '../src/log/kafka/host.ts'
import { highWatermark, positionsOf, rangeOf } from '../src/log/kafka/offsets.ts'
import { AlertReader } from './audit-alerts.ts'
import { endpointsOf } from './cluster-brokers.ts'
import { ClusterCheck, type Sequence } from './cluster-check.ts'
import type { SenderTold } from './cluster-sender.ts'

export interface LoadSettings extends Sequence {
  brokers: string
  partitions: number
  deltaMs: number
  /** Whose positions tell what was processed; null: those of every group on the brokers. Default: that of our nodes. */
  group?: string | null
}

export interface Arrival {
  /** Wall clock, ms. */
  readonly at: number
  /** When its purchase was sent, ms. */
  readonly sent: number
  readonly partition: number
}

export interface Outcome {
  messages: number
  alerts: number
  missing: number
  duplicates: number
  unexpected: number
  /** Records in the topics more or less than were sent. */
  lost: number
  samples: string[]
}

const WAIT_MS = 100
/** After the last alert that is expected: so long none may come that is not. */
const SILENCE_MS = 2000

export class AuditLoad {
  /** Of OVERBOUGHT alerts, in the order they came. */
  readonly arrivals: Arrival[] = []
  sent = 0
  /** Trades a second that were sent, when it has ended. */
  rate = 0
  /** The longest that a trade was sent late, ms. */
  behindMs = 0
  failure: Error | null = null
  readonly host: KafkaHost
  readonly #log: Log
  readonly #settings: LoadSettings
  readonly #seen: [order: number, kind: AlertKind][] = []
  readonly #following: Promise<void>
  #sender: ChildProcess
  #ended = Promise.withResolvers<number>()
  #isOpen = true

  private constructor(host: KafkaHost, log: Log, settings: LoadSettings) {
    this.host = host
    this.#log = log
    this.#settings = settings
    this.#following = this.#follow()
    this.#sender = this.#send()
  }

  /**
   * Makes the topics and begins to send.
   * @param prepare is done between the two
   */
  static async begin(settings: LoadSettings, prepare?: () => Promise<void>): Promise<AuditLoad> {
    const host = await openKafka({ bootstrap: endpointsOf(settings.brokers), node: 'observer' })
    const log = host.client()
    const { requests, purchases, alerts } = buildAudit({ ids: 'integer', partitions: settings.partitions })
    for (const { name, options } of [requests, purchases, alerts]) await log.createTopic(name, options)
    await prepare?.().catch(async error => {
      await host.close()
      throw error
    })
    return new AuditLoad(host, log, settings)
  }

  /** Resolves when every partition told of an overbought order that was sent after this moment: how long that took, ms. */
  async goesOn(limitMs: number): Promise<number> {
    const begun = now()
    let at = this.arrivals.length
    const left = new Set(Array.from({ length: this.#settings.partitions }, (_, i) => i))
    for (;;) {
      for (; at < this.arrivals.length; at++) {
        const { partition, sent } = this.arrivals[at]!
        if (sent >= begun) left.delete(partition)
      }
      if (this.failure !== null) throw this.failure
      if (left.size === 0) return now() - begun
      if (now() - begun > limitMs) {
        throw new Error(`no alert came of partition ${[...left].join(', ')} for ${limitMs} ms`)
      }
      await setTimeout(5)
    }
  }

  /** Stops sending, waits for what must come, and compares. */
  async finish(limitMs: number): Promise<{ check: ClusterCheck; outcome: Outcome }> {
    this.#sender.send('stop')
    const messages = await Promise.race([this.#ended.promise, this.#following.then(() => -1)])
    if (this.failure !== null) throw this.failure
    const check = new ClusterCheck(this.#settings, messages)
    const until = performance.now() + limitMs + (this.#settings.timers ? this.#settings.deltaMs : 0)
    let taken = 0
    const take = (): void => {
      for (; taken < this.#seen.length; taken++) check.alerts.see(...this.#seen[taken]!)
    }
    for (take(); check.alerts.missing > 0 && performance.now() < until; take()) await setTimeout(20)
    await setTimeout(SILENCE_MS)
    take()
    const { missing, duplicates, unexpected, seen } = check.alerts
    const samples = check.alerts.samples()
    return {
      check,
      outcome: {
        messages,
        alerts: seen,
        missing,
        duplicates,
        unexpected,
        lost: Math.abs(this.#processed() - messages),
        samples: [
          ...samples.missing.map(one => `missing ${one}`),
          ...samples.unexpected.map(one => `unexpected ${one}`),
        ],
      },
    }
  }

  /** Ends of the topics, all that was written and what is committed, and how far the auditor has got. */
  async describe(): Promise<string[]> {
    const { cluster } = this.host
    const { requests, purchases, alerts } = buildAudit({ ids: 'integer', partitions: this.#settings.partitions })
    const lines: string[] = []
    for (const topic of [requests.name, purchases.name, alerts.name, 'audit.audit.books.changelog']) {
      for (let i = 0; i < this.#settings.partitions && cluster.topics.has(topic); i++) {
        const { end } = await rangeOf(cluster, topic, i)
        lines.push(`${topic}/${i}: ${await highWatermark(cluster, topic, i)} written, ${end} committed`)
      }
    }
    const positions = await positionsOf(cluster, 'audit.audit', null, 1000).catch(error => [String(error)])
    return [...lines, ...positions.map(position => JSON.stringify(position))]
  }

  async close(): Promise<void> {
    this.#isOpen = false
    if (this.#sender.exitCode === null) this.#sender.kill('SIGKILL')
    await this.#following
    await this.host.close()
  }

  /** Trades that the auditor has processed: positions count markers of transactions too, of which these topics have none. */
  #processed(): number {
    const { group = 'audit.audit', partitions } = this.#settings
    const { requests, purchases } = buildAudit({ ids: 'integer', partitions })
    return this.#log
      .positions(group ?? undefined)
      .filter(({ topic }) => topic === requests.name || topic === purchases.name)
      .reduce((sum, position) => sum + position.offset, 0)
  }

  #send(): ChildProcess {
    const { brokers, rate, seed, partitions, overbought } = this.#settings
    const sender = fork(
      new URL('./cluster-sender.ts', import.meta.url),
      [brokers, rate, seed, partitions, overbought].map(String),
      { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    )
    sender.on('message', (told: SenderTold) => {
      this.sent = told.sent
      if (told.kind === 'sent') this.behindMs = Math.max(this.behindMs, told.behindMs)
      else {
        this.rate = Math.round((told.sent / told.ms) * 1000)
        this.#ended.resolve(told.sent)
      }
    })
    sender.once('exit', code => {
      if (code !== 0 && this.#isOpen) this.failure ??= new Error(`the sender ended with ${code}`)
    })
    return sender
  }

  async #follow(): Promise<void> {
    const { alerts } = buildAudit({ ids: 'integer', partitions: this.#settings.partitions })
    const reader = new AlertReader(this.#log, alerts)
    try {
      while (this.#isOpen) {
        const at = now()
        reader.read((order, kind, ts, partition) => {
          this.#seen.push([order, kind])
          if (kind === 'OVERBOUGHT') this.arrivals.push({ at, sent: ts / 1000, partition })
        })
        await this.#log.changed(WAIT_MS)
      }
    } catch (error) {
      this.failure ??= error as Error
    }
  }
}

/** Wall clock, ms, as exact as the monotonic one. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}
