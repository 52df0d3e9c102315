/** The processes of an auditor on Kafka: each may be stopped, killed, paused and started again under its name. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { NodeAnswer, NodeBooks, NodeLook, NodeQuestion } from './cluster-node.ts'

export interface NodeSettings {
  /** What the node connects to. */
  brokers: string
  standbys: number
  partitions: number
  deltaMs: number
  /** Logs are written here. */
  folder: string
}

/** Tasks of the pipelines `intake` and `audit`, one for each partition. */
const PIPELINES = 2
/** A standby is near when so few records are missing: more come all the time. */
const NEAR_RECORDS = 20_000
const LOOK_EVERY_MS = 50

export class AuditNode {
  readonly name: string
  ready: Promise<void> = Promise.resolve()
  #isReady = false
  #child: ChildProcess | null = null
  #starts = 0
  #dies = false
  readonly #settings: NodeSettings
  readonly #onDeath: (error: Error) => void

  /** @param onDeath called when its process ends by itself */
  constructor(name: string, settings: NodeSettings, onDeath: (error: Error) => void) {
    this.name = name
    this.#settings = settings
    this.#onDeath = onDeath
  }

  get isRunning(): boolean {
    return this.#child !== null
  }

  /** `ready` tells when its tasks run. */
  start(): void {
    const { brokers, standbys, partitions, deltaMs, folder } = this.#settings
    const log = openSync(join(folder, `${this.name}-${++this.#starts}.log`), 'w')
    const child = fork(new URL('./cluster-node.ts', import.meta.url), [brokers, this.name, String(standbys)], {
      env: {
        ...process.env,
        AUDIT_IDS: 'integer',
        AUDIT_DELTA_MS: String(deltaMs),
        AUDIT_PARTITIONS: String(partitions),
        NODE_COMPILE_CACHE: join(folder, 'compiled'),
      },
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', log, log, 'ipc'],
    })
    closeSync(log)
    this.#child = child
    this.#dies = false
    this.#isReady = false
    const ready = Promise.withResolvers<void>()
    this.ready = ready.promise
    ready.promise.catch(() => {})
    child.on('message', (answer: NodeAnswer) => {
      if (answer.kind !== 'ready') return
      this.#isReady = true
      ready.resolve()
    })
    child.once('exit', (code, signal) => {
      const error = new Error(`node ${this.name} ended by itself: ${code ?? signal}`)
      ready.reject(error)
      if (this.#child === child) this.#child = null
      if (!this.#dies) this.#onDeath(error)
    })
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** It finishes what it has at hand and leaves. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Null: it does not answer, for it is starting or ending. */
  async look(): Promise<NodeLook | null> {
    const answer = await this.#ask('look')
    return answer?.kind === 'look' ? answer.look : null
  }

  async books(): Promise<NodeBooks> {
    const answer = await this.#ask('books')
    if (answer?.kind === 'books') return answer.books
    throw new Error(
      `node ${this.name} does not tell its books${answer?.kind === 'failed' ? `: ${answer.message}` : ''}`,
    )
  }

  async #ask(question: NodeQuestion): Promise<NodeAnswer | null> {
    const child = this.#child
    if (child === null || !this.#isReady) return null
    const gone = new AbortController()
    const exited = once(child, 'exit', { signal: gone.signal }).then(() => null)
    const answer = once(child, 'message', { signal: gone.signal }).then(([message]) => message as NodeAnswer)
    exited.catch(() => {})
    answer.catch(() => {})
    child.send(question, () => {})
    try {
      return await Promise.race([answer, exited])
    } finally {
      gone.abort()
    }
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === null) return
    this.#dies = true
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
}

/** What all nodes have together. */
export interface ClusterLook {
  looks: Map<string, NodeLook>
  active: number
  standby: number
  /** Every task runs on one node, as evenly as can be, and every standby is near. */
  settled: boolean
}

export async function lookAt(nodes: readonly AuditNode[], settings: NodeSettings): Promise<ClusterLook> {
  const running = nodes.filter(node => node.isRunning)
  const looks = new Map<string, NodeLook>()
  for (const node of running) {
    const look = await node.look()
    if (look !== null) looks.set(node.name, look)
  }
  const all = [...looks.values()]
  const active = all.flatMap(look => look.active)
  const standby = all.flatMap(look => look.standby)
  const tasks = settings.partitions * PIPELINES
  const followed = new Set(standby.map(({ id }) => id))
  const wanted = running.length > 1 ? settings.partitions * settings.standbys : 0
  const settled =
    looks.size === running.length &&
    active.length === tasks &&
    new Set(active).size === tasks &&
    all.every(look => look.restoring.length === 0 && look.active.length >= Math.floor(tasks / running.length)) &&
    [...followed].filter(id => id.startsWith('audit')).length >= wanted &&
    standby.every(({ lag }) => lag < NEAR_RECORDS)
  return { looks, active: active.length, standby: standby.length, settled }
}

/** Resolves when the nodes have settled: how long that took, ms. */
export async function untilSettled(
  nodes: readonly AuditNode[],
  settings: NodeSettings,
  limitMs: number,
): Promise<number> {
  const begun = performance.now()
  for (;;) {
    const look = await lookAt(nodes, settings)
    if (look.settled) return performance.now() - begun
    if (performance.now() - begun > limitMs) {
      throw new Error(`the nodes have not settled in ${limitMs} ms: ${JSON.stringify([...look.looks])}`)
    }
    await setTimeout(LOOK_EVERY_MS)
  }
}
