/**
 * What a client and the log thread share: an arena of slots, and a ring that tells which slots hold units.
 *
 *     client                                    log thread
 *     copy the unit into a free slot
 *     ring[submitted % RING] = slot
 *     submitted++ , ring the log's bell   ──►   take units up to `submitted`, commit them
 *                                               write each answer into its slot
 *     deliver answers up to `answered`    ◄──   answered++ , ring the client's bell
 *     the slot is free again
 *
 * Invariants
 * 1. A slot belongs to the client until it is counted as submitted, and again once it is counted as answered.
 * 2. Units are answered in the order of their submission.
 * 3. At most RING units are submitted and not answered; the client keeps the others.
 */

export const RING = 1024

// Words of a mailbox.
export const BELL = 0
export const SUBMITTED = 1
export const ANSWERED = 2
export const STATE = 3
const SLOTS = 16

/** States of a mailbox. */
export const NEW = 0
export const CONNECTED = 1
export const CLOSED = 2

/** Bytes at the front of a slot: kind and `told` of a request, or status and count of an answer, and a length. */
export const SLOT_HEADER = 16
/** A slot takes at least this, so that every error fits. */
export const SMALLEST_SLOT = 4096

const FIRST_ARENA_BYTES = 64 * 1024
/** Address space that is set aside for a client; memory is taken as units need it. */
const LARGEST_ARENA_BYTES = 256 * 1024 * 1024

export interface MailboxBuffers {
  words: SharedArrayBuffer
  arena: SharedArrayBuffer
}

export function newMailbox(): MailboxBuffers {
  return {
    words: new SharedArrayBuffer((SLOTS + RING) * 4),
    arena: new SharedArrayBuffer(FIRST_ARENA_BYTES, { maxByteLength: LARGEST_ARENA_BYTES }),
  }
}

/** The slot, as its number of 4 KB pages from the start of the arena, of the n-th unit. */
export function setSlot(words: Int32Array, n: number, offset: number): void {
  words[SLOTS + (n & (RING - 1))] = offset / SMALLEST_SLOT
}

export function slotOf(words: Int32Array, n: number): number {
  return words[SLOTS + (n & (RING - 1))]! * SMALLEST_SLOT
}

/** The arena as bytes, also after the other side made it grow. */
export class Arena {
  readonly #buffer: SharedArrayBuffer
  bytes: Buffer

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer
    this.bytes = Buffer.from(buffer, 0, buffer.byteLength)
  }

  /** Sees to it that `bytes` reaches as far as the arena does. */
  refresh(): void {
    if (this.bytes.length !== this.#buffer.byteLength) {
      this.bytes = Buffer.from(this.#buffer, 0, this.#buffer.byteLength)
    }
  }

  /** False when the arena cannot reach that far. */
  grow(bytes: number): boolean {
    if (bytes > LARGEST_ARENA_BYTES) return false
    if (bytes > this.#buffer.byteLength) {
      this.#buffer.grow(Math.min(LARGEST_ARENA_BYTES, Math.max(bytes, this.#buffer.byteLength * 2)))
    }
    this.refresh()
    return true
  }
}

/** Hands out slots of an arena, in sizes of powers of two. For the client. */
export class Slots {
  readonly arena: Arena
  /** Free slots by the exponent of their size. */
  readonly #free: number[][] = Array.from({ length: 32 }, () => [])
  #top = 0

  constructor(arena: Arena) {
    this.arena = arena
  }

  /** The start of a slot that holds `bytes`, or −1 when there is none. */
  take(bytes: number): number {
    const exponent = exponentOf(bytes)
    const free = this.#free[exponent]!.pop()
    if (free !== undefined) return free
    const start = this.#top
    if (!this.arena.grow(start + 2 ** exponent)) return -1
    this.#top = start + 2 ** exponent
    return start
  }

  give(start: number, bytes: number): void {
    this.#free[exponentOf(bytes)]!.push(start)
  }
}

function exponentOf(bytes: number): number {
  return 32 - Math.clz32(Math.max(bytes, SMALLEST_SLOT) - 1)
}

/** Bytes that a unit and its answer need. */
export function slotBytes(unit: number, appends: number): number {
  return SLOT_HEADER + Math.max(unit, appends * 8)
}
