/**
 * The files of one copy: segments of batches, the oldest first.
 *
 * Invariants
 * 1. A segment is named by the offset after the last batch of the one before it. So a segment that lost its end does not
 *    lead up to the next one, and who reads them finds that.
 * 2. What is done to the files is done one after the other, in the order it was asked for.
 * 3. Nothing is synced: after a loss of power, the checksums tell where a copy ends. What fails ends all work here.
 */
import { type FileHandle, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { lastOffsetOf, setBaseOffset } from '../../record/batch-header.ts'
import { sealBatch } from './copy-batches.ts'
import { type Segment, SegmentReader, segmentBase, segmentName } from './copy-segment.ts'

const SEGMENT_BYTES = 16 * 1024 * 1024
/** What was appended is written when it is so much, or so old, ms. */
const CHUNK_BYTES = 256 * 1024
const DELAY_MS = 200
/** More than this does not wait for a disk that is too slow. */
const MOST_WAITING = 64 * 1024 * 1024
const SPARE_CHUNKS = 2

interface Chunk {
  readonly segment: Segment
  readonly at: number
  readonly bytes: Buffer
  used: number
}

export class CopyFiles {
  readonly #folder: string
  readonly #onFailure: (error: unknown) => void
  readonly #segmentBytes: number
  #segments: Segment[] = []
  /** The offset after the last batch; null: there is no segment. */
  #end: number | null = null
  #chunks: Chunk[] = []
  /** Bytes that are not in a file yet. */
  #waiting = 0
  readonly #spare: Buffer[] = []
  #timer: NodeJS.Timeout | null = null
  #work: Promise<void> = Promise.resolve()
  #written: { segment: Segment; handle: FileHandle } | null = null
  #failure: { cause: unknown } | null = null

  /** `onFailure` is called once; nothing is done any more then. */
  constructor(folder: string, onFailure: (error: unknown) => void, segmentBytes = SEGMENT_BYTES) {
    this.#folder = folder
    this.#onFailure = onFailure
    this.#segmentBytes = segmentBytes
  }

  /** Finds what is there; a torn end is cut off. */
  async open(): Promise<void> {
    const bases = (await readdir(this.#folder)).map(segmentBase).filter(base => base !== null)
    for (const base of bases.sort((a, b) => a - b)) {
      const path = join(this.#folder, segmentName(base))
      const { size } = await stat(path)
      this.#segments.push({ base, path, bytes: size, written: size })
    }
    const last = this.#segments.at(-1)
    if (last === undefined) return
    const reader = await SegmentReader.open(last)
    while (await reader.read());
    await reader.close()
    this.cut(last, reader.at, reader.next)
    await this.#work
    if (this.#failure !== null) throw this.#failure.cause
  }

  /** Where the first segment begins; null: there is none. */
  get start(): number | null {
    return this.#segments[0]?.base ?? null
  }

  get end(): number | null {
    return this.#end
  }

  get isEmpty(): boolean {
    return this.#segments.every(segment => segment.bytes === 0)
  }

  /** The segment that has the batch of an offset, where it has one. */
  segmentOf(offset: number): Segment | undefined {
    return this.#segments.findLast(segment => segment.base <= offset)
  }

  segmentAfter(segment: Segment): Segment | undefined {
    return this.#segments[this.#segments.indexOf(segment) + 1]
  }

  /** Still belongs to the copy. */
  has(segment: Segment): boolean {
    return this.#segments.includes(segment)
  }

  /** Begins anew at an offset. */
  reset(start: number): void {
    const gone = this.#segments
    this.#segments = []
    this.#forgetChunks()
    this.#do(() => this.#remove(gone))
    this.#add(start)
    this.#end = start
  }

  /** Appends the batch `bytes[start, end)`, which is copied, under its base offset. */
  append(bytes: Uint8Array, start: number, end: number, base: number): void {
    if (this.#failure !== null) return
    const length = end - start
    let segment = this.#segments.at(-1)!
    if (segment.bytes > 0 && segment.bytes + length > this.#segmentBytes) segment = this.#add(this.#end!)
    const chunk = this.#chunkFor(segment, length)
    const at = chunk.used
    chunk.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at)
    setBaseOffset(chunk.bytes, at, base)
    sealBatch(chunk.bytes, at)
    chunk.used += length
    segment.bytes += length
    this.#waiting += length
    this.#end = lastOffsetOf(chunk.bytes, at) + 1
    if (this.#waiting > MOST_WAITING) this.#fail(new Error('the disk is too slow'))
    else if (chunk.used >= CHUNK_BYTES / 2) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), DELAY_MS).unref()
  }

  /** Deletes whole segments before an offset. */
  trim(before: number): void {
    const kept = this.#segments.findLastIndex(segment => segment.base <= before)
    if (kept <= 0) return
    const gone = this.#segments.splice(0, kept)
    this.#do(() => this.#remove(gone))
  }

  /** Takes away what follows `bytes` of a segment, where the offset is `next`. */
  cut(segment: Segment, bytes: number, next: number): void {
    const index = this.#segments.indexOf(segment)
    if (index < 0) return
    // Another object for the same file: what is on its way to the old one is not written any more.
    const gone = this.#segments.splice(index)
    this.#segments.push({ ...segment, bytes, written: bytes })
    this.#forgetChunks()
    this.#end = next
    this.#do(async () => {
      await this.#remove(gone.slice(1))
      await truncate(segment.path, bytes).catch(ignoreMissing)
    })
  }

  /** Hands what was appended over to the system. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const chunks = this.#chunks
    this.#chunks = []
    if (chunks.length > 0) this.#do(() => this.#write(chunks))
  }

  async close(): Promise<void> {
    this.flush()
    this.#do(() => this.#closeWritten())
    await this.#work
  }

  /** Deletes everything. */
  async remove(): Promise<void> {
    this.#failure ??= { cause: null }
    this.#forgetChunks()
    await this.#work
    await this.#closeWritten().catch(() => {})
    await rm(this.#folder, { recursive: true, force: true }).catch(() => {})
  }

  #add(base: number): Segment {
    const segment = { base, path: join(this.#folder, segmentName(base)), bytes: 0, written: 0 }
    this.#segments.push(segment)
    return segment
  }

  #chunkFor(segment: Segment, length: number): Chunk {
    const last = this.#chunks.at(-1)
    if (last !== undefined && last.segment === segment && last.bytes.length - last.used >= length) return last
    if (last !== undefined) this.flush()
    const bytes =
      (length <= CHUNK_BYTES ? this.#spare.pop() : null) ?? Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, length))
    const chunk = { segment, at: segment.bytes, bytes, used: 0 }
    this.#chunks.push(chunk)
    return chunk
  }

  async #write(chunks: readonly Chunk[]): Promise<void> {
    for (const { segment, at, bytes, used } of chunks) {
      this.#waiting -= used
      // It was deleted or cut meanwhile.
      if (!this.has(segment) || at !== segment.written) continue
      const handle = await this.#handleOf(segment)
      for (let done = 0; done < used; ) {
        done += (await handle.write(bytes, done, used - done, at + done)).bytesWritten
      }
      if (at === segment.written) segment.written += used
      if (bytes.length === CHUNK_BYTES && this.#spare.length < SPARE_CHUNKS) this.#spare.push(bytes)
    }
  }

  async #handleOf(segment: Segment): Promise<FileHandle> {
    if (this.#written?.segment === segment) return this.#written.handle
    await this.#closeWritten()
    // What a deleted segment of the same name left behind is gone: deletions come in their order.
    const handle = await open(segment.path, segment.written === 0 ? 'w' : 'r+')
    this.#written = { segment, handle }
    return handle
  }

  async #closeWritten(): Promise<void> {
    const written = this.#written
    this.#written = null
    await written?.handle.close()
  }

  async #remove(segments: readonly Segment[]): Promise<void> {
    for (const segment of segments) {
      if (this.#written?.segment === segment) await this.#closeWritten()
      await rm(segment.path, { force: true })
    }
  }

  #forgetChunks(): void {
    for (const { used } of this.#chunks) this.#waiting -= used
    this.#chunks = []
  }

  #do(work: () => Promise<void>): void {
    this.#work = this.#work.then(() => (this.#failure === null ? work() : undefined)).catch(error => this.#fail(error))
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return
    this.#failure = { cause: error }
    this.#onFailure(error)
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
