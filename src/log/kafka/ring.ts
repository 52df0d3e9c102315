/**
 * Batches of one partition on their way from the network thread to the thread that reads them: a ring of frames in
 * shared memory, with one writer and one reader.
 *
 *     frame   u32 bytes, u32 kind, f64 the offset that follows, then the bytes, padded to 16
 *     BATCHES whole batches, together with what the PART frames before it held
 *     PART    the first bytes of them, when there was no room for all
 *     FAILED  an error as JSON; nothing follows it
 *
 * Invariants
 * 1. Bytes between head and tail belong to the reader, the others to the writer.
 * 2. A writer that found no room sets `paused`; a reader that took something then rings the writer.
 */

export const BATCHES = 0
export const PART = 1
export const FAILED = 2

const HEAD = 0
const TAIL = 1
const PAUSED = 2
/** Int64 words: the end of the partition as last heard, and its start. */
const END = 2
const START = 3
const HEADER_BYTES = 64
const FRAME_HEADER = 16

export const RING_BYTES = 1024 * 1024

export function newRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + RING_BYTES)
}

class Ring {
  protected readonly words: Int32Array
  protected readonly longs: BigInt64Array
  protected readonly bytes: Buffer

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, HEADER_BYTES / 4)
    this.longs = new BigInt64Array(buffer, 0, HEADER_BYTES / 8)
    this.bytes = Buffer.from(buffer, HEADER_BYTES, RING_BYTES)
  }

  /** Bytes of the frames that wait to be read. */
  get used(): number {
    return (Atomics.load(this.words, TAIL) - Atomics.load(this.words, HEAD)) >>> 0
  }
}

export class RingWriter extends Ring {
  /** The bytes that a frame may have now, at most. */
  get room(): number {
    return Math.max(0, RING_BYTES - this.used - 2 * FRAME_HEADER)
  }

  /** Adds a frame; there must be room for it. */
  write(kind: number, offset: number, bytes: Buffer, start: number, end: number): void {
    const tail = Atomics.load(this.words, TAIL)
    const length = end - start
    const at = (tail >>> 0) % RING_BYTES
    this.bytes.writeUInt32LE(length, at)
    this.bytes.writeUInt32LE(kind, at + 4)
    this.bytes.writeDoubleLE(offset, at + 8)
    const from = (at + FRAME_HEADER) % RING_BYTES
    const first = Math.min(length, RING_BYTES - from)
    bytes.copy(this.bytes, from, start, start + first)
    if (first < length) bytes.copy(this.bytes, 0, start + first, end)
    Atomics.store(this.words, TAIL, (tail + FRAME_HEADER + padded(length)) | 0)
  }

  setRange(start: number, end: number): void {
    Atomics.store(this.longs, START, BigInt(start))
    Atomics.store(this.longs, END, BigInt(end))
  }

  /** Asks to be rung when there is room again. */
  pause(): void {
    Atomics.store(this.words, PAUSED, 1)
  }
}

export class RingReader extends Ring {
  /** Of the frame at the head. */
  kind = BATCHES
  length = 0
  offset = 0

  get end(): number {
    return Number(Atomics.load(this.longs, END))
  }

  get start(): number {
    return Number(Atomics.load(this.longs, START))
  }

  /** Looks at the frame at the head; false: there is none. */
  peek(): boolean {
    const head = Atomics.load(this.words, HEAD)
    if (head === Atomics.load(this.words, TAIL)) return false
    const at = (head >>> 0) % RING_BYTES
    this.length = this.bytes.readUInt32LE(at)
    this.kind = this.bytes.readUInt32LE(at + 4)
    this.offset = this.bytes.readDoubleLE(at + 8)
    return true
  }

  /** The bytes of the frame at the head, as text; it stays there. */
  text(): string {
    const bytes = Buffer.alloc(this.length)
    this.#copy(Atomics.load(this.words, HEAD), bytes, 0)
    return bytes.toString()
  }

  /** Takes the frame at the head, its bytes to `target` from `to` on. True: the writer wants to be rung. */
  take(target: Buffer, to: number): boolean {
    const head = Atomics.load(this.words, HEAD)
    this.#copy(head, target, to)
    Atomics.store(this.words, HEAD, (head + FRAME_HEADER + padded(this.length)) | 0)
    if (this.used > RING_BYTES / 2) return false
    return Atomics.load(this.words, PAUSED) === 1 && Atomics.exchange(this.words, PAUSED, 0) === 1
  }

  #copy(head: number, target: Buffer, to: number): void {
    const from = (((head >>> 0) % RING_BYTES) + FRAME_HEADER) % RING_BYTES
    const first = Math.min(this.length, RING_BYTES - from)
    this.bytes.copy(target, to, from, from + first)
    if (first < this.length) this.bytes.copy(target, to + first, 0, this.length - first)
  }
}

/** Frame headers lie at multiples of 16, so none is cut by the end of the ring. */
function padded(length: number): number {
  return (length + 15) & ~15
}
