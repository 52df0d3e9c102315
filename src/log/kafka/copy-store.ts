/**
 * The copies of changelogs of a node, in a folder: TOPIC/PARTITION/ with `meta.json`, which says of which log it is, and
 * the segments. What is of another log, or in another format, is deleted; so is what no task of this node has used for a
 * day (see copy-expiry.ts).
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../errors.ts'
import { type Clock, systemClock } from '../../time/clock.ts'
import type { GroupUnit } from '../group.ts'
import type { Catalog } from './catalog.ts'
import { ChangelogCopy, type CopyClient } from './changelog-copy.ts'
import type { Cluster } from './cluster.ts'
import { CopyExpiry, META } from './copy-expiry.ts'
import { CopyFiles } from './copy-files.ts'
import { NO_UUID } from './wire/types.ts'

const FORMAT = 1
const CHANGELOG = '.changelog'

/** Tells people something from the network thread. */
export type ThreadReport = (level: 'info' | 'warn', message: string, details: Record<string, string | number>) => void

export class CopyStore {
  readonly #folder: string
  readonly #cluster: Cluster
  readonly #catalog: Catalog
  readonly report: ThreadReport
  /** By topic and partition. */
  readonly #copies = new Map<string, Map<number, ChangelogCopy>>()
  readonly #opening = new Map<string, Promise<ChangelogCopy | null>>()
  /** Files that are being deleted. */
  readonly #leaving = new Map<string, Promise<void>>()
  readonly #expiry: CopyExpiry

  constructor(folder: string, cluster: Cluster, catalog: Catalog, report: ThreadReport, clock: Clock = systemClock) {
    this.#folder = folder
    this.#cluster = cluster
    this.#catalog = catalog
    this.report = report
    this.#expiry = new CopyExpiry(folder, clock, {
      inUse: (topic, partition) => {
        const key = `${topic}/${partition}`
        return this.#copies.get(topic)?.has(partition) === true || this.#opening.has(key) || this.#leaving.has(key)
      },
      remove: (topic, partition, path) =>
        this.#leave(`${topic}/${partition}`, rm(path, { recursive: true, force: true })),
    })
  }

  /** Deletes what was not used for long, when it is time to look for that. Never fails. */
  look(): Promise<void> {
    return this.#expiry.look()
  }

  /** The copy of a partition, made when there is none; null: there shall be none. Never fails. */
  async open(topic: string, partition: number): Promise<ChangelogCopy | null> {
    const known = this.#copies.get(topic)?.get(partition)
    if (known !== undefined) return known
    const key = `${topic}/${partition}`
    const opening = this.#opening.get(key) ?? this.#open(topic, partition).finally(() => this.#opening.delete(key))
    this.#opening.set(key, opening)
    return await opening
  }

  /** A unit of a client has its outcome. Its bytes are copied. */
  answered(client: CopyClient, { unit, error, offsets }: GroupUnit, isTransactional: boolean): void {
    unit.appends?.forEach(({ topic, partition, batch }, index) => {
      const copy = this.#copies.get(topic)?.get(partition)
      if (copy === undefined) return
      if (error === null) copy.wrote(client, batch, offsets[index]!, isTransactional)
      else copy.failed()
    })
    if (error !== null) return
    for (const { topic, partition, before } of unit.trims ?? []) this.#copies.get(topic)?.get(partition)?.trim(before)
  }

  /** The topic was deleted. */
  forget(topic: string): void {
    for (const [partition, { files }] of this.#copies.get(topic) ?? []) this.#drop(topic, partition, files)
  }

  async close(): Promise<void> {
    await this.#expiry.close()
    const all = [...this.#copies.values()].flatMap(copies => [...copies.values()])
    this.#copies.clear()
    await Promise.all([...all.map(copy => copy.files.close()), ...this.#leaving.values()])
  }

  async #open(topic: string, partition: number): Promise<ChangelogCopy | null> {
    try {
      if (!(await this.#isChangelog(topic))) return null
      await this.#leaving.get(`${topic}/${partition}`)
      const folder = join(this.#folder, topic, String(partition))
      if (!(await this.#isOfThisLog(folder, topic))) return null
      const files = new CopyFiles(folder, error => {
        this.#drop(topic, partition, files)
        this.#tell(topic, partition, error)
      })
      await files.open()
      const copy = new ChangelogCopy(files)
      const copies = this.#copies.get(topic) ?? new Map<number, ChangelogCopy>()
      this.#copies.set(topic, copies.set(partition, copy))
      return copy
    } catch (error) {
      this.#tell(topic, partition, error)
      return null
    }
  }

  async #isChangelog(topic: string): Promise<boolean> {
    if (!topic.endsWith(CHANGELOG)) return false
    if (this.#catalog.get(topic).internal !== true) await this.#catalog.read()
    // A disk table has its rows on this machine already.
    const { internal, compacted } = this.#catalog.get(topic)
    return internal === true && compacted !== true
  }

  /** False: nobody can tell of which log a copy would be. */
  async #isOfThisLog(folder: string, topic: string): Promise<boolean> {
    const cluster = this.#cluster.id
    const id = this.#cluster.topics.get(topic)?.id ?? NO_UUID
    if (cluster === null || id === NO_UUID) return false
    const file = join(folder, META)
    const meta = JSON.stringify({ format: FORMAT, cluster, topic: id })
    if ((await readFile(file, 'utf8').catch(() => '')) === meta) return true
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    await writeFile(file, meta)
    return true
  }

  #drop(topic: string, partition: number, files: CopyFiles): void {
    this.#copies.get(topic)?.delete(partition)
    void this.#leave(`${topic}/${partition}`, files.remove())
  }

  /** Nobody opens it until it is gone. */
  async #leave(key: string, gone: Promise<void>): Promise<void> {
    const leaving = gone.finally(() => this.#leaving.delete(key))
    this.#leaving.set(key, leaving)
    await leaving
  }

  #tell(topic: string, partition: number, error: unknown): void {
    const details = { topic, partition, error: messageOf(error) }
    this.report('warn', 'the copy of a changelog was given up; a restart reads all of it from Kafka', details)
  }
}
