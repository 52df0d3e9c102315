/**
 * Deletes copies of changelogs that no task of this node has used for long: partitions move away, and their copies would
 * stay on the disk for ever.
 *
 * Invariants
 * 1. The time of a copy's `meta.json` is that of its last use, to LOOK_MS: it is set while the copy is in use, and at the end.
 * 2. A copy in use is never deleted. Whoever has been told to delete one lets nobody open it before it is gone.
 */
import { readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../time/clock.ts'

/** The file of a copy that says of which log it is. */
export const META = 'meta.json'
/** What nobody used for so long is deleted, ms. A node that comes back sooner finds its tables. */
export const UNUSED_MS = 24 * 3_600_000
/** It is looked so often, ms; for the first time when tasks have had the time to come. */
export const LOOK_MS = 600_000

export interface CopiesOnDisk {
  /** A task of this node has it, or had it since the start. */
  inUse(topic: string, partition: number): boolean
  remove(topic: string, partition: number, path: string): Promise<void>
}

export class CopyExpiry {
  readonly #folder: string
  readonly #clock: Clock
  readonly #copies: CopiesOnDisk
  #looksAt: number
  #looking: Promise<void> = Promise.resolve()

  constructor(folder: string, clock: Clock, copies: CopiesOnDisk) {
    this.#folder = folder
    this.#clock = clock
    this.#copies = copies
    this.#looksAt = clock.monotonic() + LOOK_MS
  }

  /** Does it if it is time to. Resolves when nothing is being done; never fails. */
  look(): Promise<void> {
    const now = this.#clock.monotonic()
    if (now < this.#looksAt) return this.#looking
    this.#looksAt = now + LOOK_MS
    this.#looking = this.#looking.then(() => this.#each(true)).catch(() => {})
    return this.#looking
  }

  /** Copies are not used any more from now on. */
  async close(): Promise<void> {
    this.#looksAt = Number.POSITIVE_INFINITY
    await this.#looking
    await this.#each(false).catch(() => {})
  }

  async #each(deletes: boolean): Promise<void> {
    for (const topic of await readdir(this.#folder)) {
      for (const name of await readdir(join(this.#folder, topic)).catch(() => [])) {
        if (/^\d+$/.test(name)) await this.#one(topic, Number(name), deletes).catch(() => {})
      }
    }
  }

  async #one(topic: string, partition: number, deletes: boolean): Promise<void> {
    const path = join(this.#folder, topic, String(partition))
    const meta = join(path, META)
    const { mtimeMs } = await stat(meta).catch(() => stat(path))
    const now = this.#clock.now()
    // Nothing is awaited between the question and the order.
    if (!this.#copies.inUse(topic, partition)) {
      if (deletes && now - mtimeMs > UNUSED_MS) await this.#copies.remove(topic, partition, path)
    } else await utimes(meta, now / 1000, now / 1000)
  }
}
