/** Any program that does the audit job, in several processes on Kafka under load; see `peer-node.ts`. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TOPICS } from '../apps/audit/app.ts'
import { hold } from '../test/servers/leash.ts'
import { AuditLoad, type LoadSettings, now, type Outcome } from './cluster-load.ts'
import { within } from './failover-kill.ts'
import { PeerNode } from './peer-node.ts'

export interface PeerRunSettings extends Omit<LoadSettings, 'group'> {
  /** A simple command, as a shell takes it. */
  command: string
  nodes: number
  /** Each wait for the program ends after that, ms. */
  limitMs: number
  /** Keeps the logs of the processes there; null: they are removed. */
  logs: string | null
}

/** All processes are one application on brokers of its own, so that its name need not be a new one. */
const APPLICATION = 'audit-peer'
/** It has caught up when a purchase of each partition becomes an alert so soon: else the next kill would find it behind. */
const NEAR_MS = 2000

export class PeerRun {
  readonly nodes: readonly PeerNode[]
  readonly load: AuditLoad
  readonly #limitMs: number
  readonly #state: { death: Error | null }
  readonly #release: () => void

  private constructor(
    load: AuditLoad,
    nodes: PeerNode[],
    limitMs: number,
    state: { death: Error | null },
    release: () => void,
  ) {
    this.load = load
    this.nodes = nodes
    this.#limitMs = limitMs
    this.#state = state
    this.#release = release
  }

  /** The processes are there and alerts come. Trades are sent from when they are ready: a virtual machine starts slowly. */
  static async begin(settings: PeerRunSettings): Promise<PeerRun> {
    const { command, nodes: count, limitMs, logs, ...load } = settings
    const folder = logs ?? mkdtempSync(join(tmpdir(), 'aldebaran-peer-'))
    mkdirSync(folder, { recursive: true })
    const forget = logs === null ? hold({ folder }) : () => {}
    const release = (): void => {
      if (logs === null) rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
      forget()
    }
    const state: { death: Error | null } = { death: null }
    const node = { command, folder, environment: environmentOf(settings) }
    const onDeath = (error: Error): void => {
      state.death ??= error
    }
    const nodes = Array.from({ length: count }, (_, i) => new PeerNode(`node-${i}`, node, onDeath))
    let run: PeerRun | null = null
    try {
      const begun = await AuditLoad.begin({ ...load, group: null }, () => startAll(nodes, limitMs))
      run = new PeerRun(begun, nodes, limitMs, state, release)
      await run.settled()
      return run
    } catch (error) {
      if (run !== null) await run.close()
      else {
        await Promise.all(nodes.map(node => node.kill()))
        release()
      }
      throw state.death ?? error
    }
  }

  /** What the program logged of its settings. */
  get seen(): Record<string, string> {
    return Object.fromEntries(this.nodes.flatMap(node => [...node.seen]))
  }

  /** Resolves when all processes say that they are ready, and every partition has caught up. */
  async settled(): Promise<void> {
    for (const node of this.nodes) await within(node.ready, this.#limitMs, `${node.name} was not ready`)
    const until = now() + this.#limitMs
    while ((await this.load.goesOn(this.#limitMs)) > NEAR_MS) {
      if (now() > until) throw new Error(`the nodes have not caught up within ${this.#limitMs} ms`)
    }
    const { failure } = this
    if (failure !== null) throw failure
  }

  /** What ended by itself. */
  get failure(): Error | null {
    return this.load.failure ?? this.#state.death
  }

  async finish(limitMs: number): Promise<Outcome> {
    return (await this.load.finish(limitMs)).outcome
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill()))
    await this.load.close()
    this.#release()
  }
}

/** The first one alone: it may have to be built. */
async function startAll(nodes: readonly PeerNode[], limitMs: number): Promise<void> {
  for (const [i, node] of nodes.entries()) {
    node.start()
    if (i === 0) await within(node.ready, limitMs, `${node.name} was not ready`)
  }
  for (const node of nodes) await within(node.ready, limitMs, `${node.name} was not ready`)
}

function environmentOf({ brokers, partitions, deltaMs }: PeerRunSettings): Record<string, string> {
  return {
    AUDIT_BOOTSTRAP: brokers,
    AUDIT_REQUESTS: TOPICS.requests,
    AUDIT_PURCHASES: TOPICS.purchases,
    AUDIT_ALERTS: TOPICS.alerts,
    AUDIT_RUN: APPLICATION,
    AUDIT_DELTA_MS: String(deltaMs),
    AUDIT_PARTITIONS: String(partitions),
  }
}
