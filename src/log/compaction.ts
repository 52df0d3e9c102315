/**
 * Compaction: takes records out of a partition whose key came again later.
 *
 * A pass has two phases. The first learns, from what was appended since the last pass, the last offset of each key, of as
 * many keys as fit; the second goes over the partition from its floor up and writes the batches anew that hold something
 * obsolete. A step is a bounded part of either, within one transaction of the engine.
 *
 *     learn ── newest batch, or memory full, or a damaged batch ──► rewrite ── `until` ──► done
 *
 * Invariants
 * 1. What stays keeps its offset, its timestamp and its order. A batch keeps its base offset and the offset of its last
 *    record, whether that is still there or not; so batches follow one another without a gap.
 * 2. A batch that became empty is joined to the one before it, which then ends where the empty one did. Readers that
 *    stand between the two look back (`StoreReader`).
 * 3. The newest batch of a partition is never changed.
 * 4. The last record of a key stays, but a null value older than `tombstoneMs`; and that goes with, or after, all that
 *    came before it under its key.
 * 5. What a pass knows is in memory only: one that was interrupted is begun again, and does nothing twice.
 */
import { AldebaranError } from '../errors.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { lastOffsetOf, recordCountOf, verifyBatch } from '../record/batch-header.ts'
import { extendTo, seal, withoutRecords } from './batch-rewrite.ts'
import type { TopicInfo } from './contract.ts'
import type { KeyValueReader, WriteList } from './key-value.ts'
import { batchKey } from './keys.ts'
import type { PartitionState } from './partition.ts'
import { floorBatch } from './time-index.ts'

/** A step looks at so many batches, and at so many bytes of them, at least one. */
const STEP_BATCHES = 256
const STEP_BYTES = 1024 * 1024
/** What a pass learns; the rest is for another one. */
const MOST_KEYS = 250_000
const MOST_KEY_BYTES = 16 * 1024 * 1024
/** A batch spans at most so many offsets, for they are counted in it with 31 bits. */
const WIDEST_BATCH = 2 ** 30
const DAY_MS = 24 * 60 * 60 * 1000

interface Pass {
  phase: 'learn' | 'rewrite'
  /** Base offset of the batch to look at next. */
  at: number
  /** Where it ends: at the newest batch, or at what was not learned. */
  until: number
  /** The last offset of each key; the key as latin1 text. */
  readonly keys: Map<string, number>
  keyBytes: number
  /** Base offset of the batch before `at`; −1: none that an empty one could be joined to. */
  previous: number
  /** Bytes of the batches before `at`, as they were left. */
  bytes: number
  /** The first time at which a null value may go that stayed. */
  tombstoneDue: number
}

/** A batch that an empty one may be joined to, before it is written. */
interface OpenBatch {
  base: number
  bytes: Buffer
  changed: boolean
}

export class Compactor {
  readonly #passes = new Map<number, Pass>()
  /** When null values may go that the last pass left, by partition. */
  readonly #tombstones = new Map<number, number>()
  /** Where a damaged batch ended the last pass, by partition: none is begun before it is trimmed. */
  readonly #damaged = new Map<number, number>()
  readonly #cursor = new BatchCursor({ verified: true })

  /** Whether a pass is worth its reads: half of the bytes came since the last one, or null values have had their time. */
  isDue(store: KeyValueReader, state: PartitionState, now: number): boolean {
    if (this.#passes.has(state.id)) return true
    if (state.floor === state.end || (this.#damaged.get(state.id) ?? -1) >= state.floor) return false
    if (now >= (this.#tombstones.get(state.id) ?? Number.POSITIVE_INFINITY)) return true
    return (state.bytes - state.cleanBytes) * 2 >= state.bytes && newestBatch(store, state) > state.cleaned
  }

  /**
   * Does a part of a pass. False: it is done. When the transaction fails, putting the state back is the engine's part,
   * and `forget` the rest.
   */
  step(store: KeyValueReader, state: PartitionState, topic: TopicInfo, now: number, writes: WriteList): boolean {
    const pass = this.#passes.get(state.id) ?? this.#begin(store, state)
    if (pass.at < state.floor) {
      // Retention was faster.
      pass.at = state.floor
      pass.previous = -1
    }
    if (pass.phase === 'learn') this.#learn(store, state, pass)
    else this.#rewrite(store, state, pass, now, topic.tombstoneMs ?? DAY_MS, writes)
    if (pass.phase === 'learn' || pass.at < pass.until) return true
    state.cleaned = pass.until
    state.cleanBytes = pass.bytes
    this.#passes.delete(state.id)
    this.#tombstones.set(state.id, pass.tombstoneDue)
    return false
  }

  /** Gives the pass of a partition up. */
  forget(state: PartitionState): void {
    this.#passes.delete(state.id)
    this.#tombstones.delete(state.id)
    this.#damaged.delete(state.id)
  }

  #begin(store: KeyValueReader, state: PartitionState): Pass {
    const pass: Pass = {
      phase: 'learn',
      at: floorBatch(store, state.id, Math.max(state.cleaned, state.floor)),
      until: newestBatch(store, state),
      keys: new Map(),
      keyBytes: 0,
      previous: -1,
      bytes: 0,
      tombstoneDue: Number.POSITIVE_INFINITY,
    }
    this.#passes.set(state.id, pass)
    this.#damaged.delete(state.id)
    return pass
  }

  #learn(store: KeyValueReader, state: PartitionState, pass: Pass): void {
    const { keys } = pass
    const cursor = this.#cursor
    let bytes = 0
    for (let n = 0; n < STEP_BATCHES && bytes < STEP_BYTES; n++) {
      // The newest batch is learned from too.
      const isFull = keys.size >= MOST_KEYS || pass.keyBytes >= MOST_KEY_BYTES
      const batch = pass.at > pass.until || isFull ? null : this.#read(store, state, pass.at)
      if (batch === null) {
        pass.phase = 'rewrite'
        pass.until = Math.min(pass.until, pass.at)
        pass.at = state.floor
        return
      }
      bytes += batch.length
      cursor.reset(batch, 0, batch.length)
      cursor.nextBatch()
      while (!cursor.isControl && cursor.next()) {
        if (cursor.keyStart < 0) continue
        const key = keyOf(cursor)
        if (!keys.has(key)) pass.keyBytes += key.length
        keys.set(key, cursor.offset)
      }
      pass.at = cursor.lastOffset + 1
    }
  }

  #rewrite(
    store: KeyValueReader,
    state: PartitionState,
    pass: Pass,
    now: number,
    tombstoneMs: number,
    writes: WriteList,
  ): void {
    let open: OpenBatch | null = null
    let looked = 0
    for (let n = 0; n < STEP_BATCHES && looked < STEP_BYTES && pass.at < pass.until; n++) {
      const batch = this.#read(store, state, pass.at)
      if (batch === null) {
        pass.until = pass.at
        break
      }
      looked += batch.length
      const end = lastOffsetOf(batch, 0) + 1
      const left = this.#cleaned(batch, pass, now, tombstoneMs)
      const isEmpty = recordCountOf(left, 0) === 0
      if (isEmpty && pass.previous >= 0 && end - pass.previous <= WIDEST_BATCH) {
        open ??= { base: pass.previous, bytes: this.#read(store, state, pass.previous)!, changed: false }
        extendTo(open.bytes, end - 1)
        open.changed = true
        writes.delete(batchKey(state.id, pass.at))
        resize(state, open.base, -batch.length)
      } else {
        write(open, state, writes)
        open = { base: pass.at, bytes: left, changed: left !== batch }
        resize(state, pass.at, left.length - batch.length)
        pass.previous = pass.at
        pass.bytes += left.length
      }
      pass.at = end
    }
    write(open, state, writes)
  }

  #cleaned(batch: Buffer, pass: Pass, now: number, tombstoneMs: number): Buffer {
    const cursor = this.#cursor
    cursor.reset(batch, 0, batch.length)
    cursor.nextBatch()
    // The marker of a transaction's end is no record, although it has a key.
    if (cursor.isControl) return batch
    return withoutRecords(batch, cursor, () => {
      if (cursor.keyStart < 0) return true
      const last = pass.keys.get(keyOf(cursor))
      if (last !== undefined && last > cursor.offset) return false
      if (cursor.valueStart >= 0) return true
      const due = cursor.timestamp + tombstoneMs
      if (due <= now) return false
      pass.tombstoneDue = Math.min(pass.tombstoneDue, due)
      return true
    })
  }

  /** A copy of the batch; null: it is damaged, which is for its readers to be told. */
  #read(store: KeyValueReader, state: PartitionState, base: number): Buffer | null {
    const stored = store.get(batchKey(state.id, base))
    const batch = Buffer.allocUnsafeSlow(stored?.length ?? 0)
    stored?.copy(batch, 0, 0, batch.length)
    try {
      verifyBatch(batch, 0, batch.length)
      const cursor = this.#cursor
      cursor.reset(batch, 0, batch.length)
      cursor.nextBatch()
      while (cursor.next());
      return batch
    } catch (error) {
      if (!(error instanceof AldebaranError)) throw error
      this.#damaged.set(state.id, base)
      return null
    }
  }
}

function newestBatch(store: KeyValueReader, state: PartitionState): number {
  return floorBatch(store, state.id, state.end - 1)
}

function keyOf(cursor: BatchCursor): string {
  return cursor.bytes.toString('latin1', cursor.keyStart, cursor.keyEnd)
}

function write(open: OpenBatch | null, state: PartitionState, writes: WriteList): void {
  if (open === null || !open.changed) return
  seal(open.bytes)
  writes.put(batchKey(state.id, open.base), open.bytes)
}

function resize(state: PartitionState, base: number, bytes: number): void {
  if (bytes !== 0) state.bytes = Math.max(0, state.bytes + bytes)
  // What retention knows of the batch at the floor may not hold any longer.
  if (base === state.floor) state.floorEnd = 0
}
