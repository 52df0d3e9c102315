/** An auditor on Kafka with everything around it: brokers, nodes, load. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { AuditLoad, type LoadSettings, type Outcome } from './cluster-load.ts'
import type { NodeBooks } from './cluster-node.ts'
import { AuditNode, lookAt, type NodeSettings, untilSettled } from './cluster-nodes.ts'

export interface RunSettings extends Omit<LoadSettings, 'deltaMs'> {
  nodes: number
  standbys: number
  deltaMs: number
  /** What the nodes connect to. */
  nodeBrokers: string
  /** Keeps the logs of the nodes there; null: they are removed. */
  logs: string | null
}

export interface RunOutcome extends Outcome {
  books: number
  wrong_books: number
  dead_letters: number
}

const SETTLE_MS = 60_000
const BOOKS_EVERY_MS = 250

export class AuditRun {
  readonly nodes: AuditNode[] = []
  readonly nodeSettings: NodeSettings
  readonly load: AuditLoad
  readonly #settings: RunSettings
  readonly #release: () => void
  #death: Error | null = null

  private constructor(load: AuditLoad, settings: RunSettings, folder: string, release: () => void) {
    this.load = load
    this.#settings = settings
    this.#release = release
    const { nodeBrokers: brokers, standbys, partitions, deltaMs } = settings
    this.nodeSettings = { brokers, standbys, partitions, deltaMs, folder }
  }

  /** The nodes are there, have settled, and work. */
  static async begin(settings: RunSettings): Promise<AuditRun> {
    const folder = settings.logs ?? mkdtempSync(join(tmpdir(), 'aldebaran-cluster-'))
    mkdirSync(folder, { recursive: true })
    const release = (): void => {
      if (settings.logs === null) rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
    }
    const load = await AuditLoad.begin(settings)
    const run = new AuditRun(load, settings, folder, release)
    try {
      for (let i = 0; i < settings.nodes; i++) run.addNode()
      await run.settled()
      await load.goesOn(SETTLE_MS)
      return run
    } catch (error) {
      await run.close()
      throw error
    }
  }

  /** Of that number, or the next one. */
  addNode(): AuditNode {
    const node = new AuditNode(`node-${this.nodes.length}`, this.nodeSettings, error => {
      this.#death ??= error
    })
    this.nodes.push(node)
    node.start()
    return node
  }

  async settled(): Promise<number> {
    const lasted = await untilSettled(this.nodes, this.nodeSettings, SETTLE_MS)
    this.check()
    return lasted
  }

  /** What ended by itself. */
  get failure(): Error | null {
    return this.load.failure ?? this.#death
  }

  /** @throws what ended by itself */
  check(): void {
    const { failure } = this
    if (failure !== null) throw failure
  }

  /** Records that nodes read from changelogs to take tasks over, by node. */
  async restored(): Promise<Map<string, number>> {
    const { looks } = await lookAt(this.nodes, this.nodeSettings)
    return new Map([...looks].map(([name, look]) => [name, look.restored]))
  }

  /** Where everything stands, for a person to look at. */
  async describe(): Promise<string> {
    const { looks } = await lookAt(this.nodes, this.nodeSettings)
    const nodes = [...looks].map(([name, look]) => `${name} ${JSON.stringify(look)}`)
    return [...nodes, ...(await this.load.describe())].join('\n')
  }

  async finish(limitMs: number): Promise<RunOutcome> {
    const { check, outcome } = await this.load.finish(limitMs)
    const { wrong, books, samples } = check.wrongBooks(await this.#books())
    const { looks } = await lookAt(this.nodes, this.nodeSettings)
    const deadLetters = [...looks.values()].reduce((sum, look) => sum + look.deadLetters, 0)
    return {
      ...outcome,
      samples: [...outcome.samples, ...samples],
      books,
      wrong_books: wrong,
      dead_letters: deadLetters,
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill()))
    await this.load.close()
    this.#release()
  }

  async #books(): Promise<NodeBooks[]> {
    if (this.#settings.timers) return []
    const until = performance.now() + SETTLE_MS
    for (;;) {
      const all = await Promise.all(this.nodes.filter(node => node.isRunning).map(node => node.books()))
      const partitions = all.flatMap(node => node.partitions)
      if (partitions.length === this.#settings.partitions && new Set(partitions).size === partitions.length) return all
      if (performance.now() > until) throw new Error(`the nodes have the partitions ${partitions.join(', ')}`)
      await setTimeout(BOOKS_EVERY_MS)
    }
  }
}

export function isCorrect(outcome: Outcome & Partial<RunOutcome>): boolean {
  const { missing, duplicates, unexpected, lost, dead_letters = 0, wrong_books = 0 } = outcome
  return missing + duplicates + unexpected + lost + dead_letters + wrong_books === 0
}
