/** Where the bytes come from: a file, once or again, or a stream; unpacked when the name ends in `.gz`. */
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'

/** Fills what it is given, and answers how many bytes it wrote; 0: the end. */
export interface ByteInput {
  read(into: Uint8Array, from: number): Promise<number>
  close(): Promise<void>
}

/** Whether the same bytes come when it is opened again: a pipe may have a name too, as `<(…)` gives it one. */
export function canBeReadAgain(input: string | Readable): boolean {
  return typeof input === 'string' && statSync(input, { throwIfNoEntry: false })?.isFile() === true
}

export async function openInput(path: string | Readable): Promise<ByteInput> {
  if (typeof path !== 'string') return new StreamInput(path)
  if (!path.endsWith('.gz')) {
    const waits = statSync(path, { throwIfNoEntry: false })?.isFIFO() === true
    return waits ? new StreamInput(createReadStream(path, { highWaterMark: 256 * 1024 })) : new FileInput(path)
  }
  const { createGunzip } = await import('node:zlib')
  const packed = createReadStream(path, { highWaterMark: 256 * 1024 })
  const unpacked = createGunzip({ chunkSize: 256 * 1024 })
  packed.on('error', error => unpacked.destroy(error))
  unpacked.on('error', (error: NodeJS.ErrnoException) => {
    // The errors of zlib do not say of what.
    if (error.code?.startsWith('Z_')) error.message = `${path}: ${error.message}`
  })
  return new StreamInput(packed.pipe(unpacked), packed)
}

/** Read at once, not by another thread: most files are in the page cache, and waiting for a thread would take longer. */
class FileInput implements ByteInput {
  readonly #file: number
  #open = true

  constructor(path: string) {
    this.#file = openSync(path, 'r')
  }

  async read(into: Uint8Array, from: number): Promise<number> {
    await setImmediate(undefined)
    return this.#open ? readSync(this.#file, into, from, into.length - from, null) : 0
  }

  async close(): Promise<void> {
    if (this.#open) closeSync(this.#file)
    this.#open = false
  }
}

class StreamInput implements ByteInput {
  readonly #streams: readonly Readable[]
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)

  constructor(stream: Readable, ...sources: readonly Readable[]) {
    this.#streams = [stream, ...sources]
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  async read(into: Uint8Array, from: number): Promise<number> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next()
      if (done === true) return 0
      this.#chunk = value
    }
    const part = this.#chunk.subarray(0, into.length - from)
    into.set(part, from)
    this.#chunk = this.#chunk.subarray(part.length)
    return part.length
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy()
  }
}
