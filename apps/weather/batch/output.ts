/**
 * Where the result goes.
 *
 * Invariants
 * 1. A file has its name only when it is whole: until then it lies beside, and goes when anything fails.
 * 2. What is no ordinary file (a pipe, a terminal, /dev/null) is written to as it is; so is /dev/stdout, whatever that is: a file
 *    behind it is somebody else's, and what it holds stays.
 */
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import type { Writable } from 'node:stream'
import type { ByteOutput } from './byte-output.ts'

export async function openOutput(path: string | Writable): Promise<ByteOutput> {
  if (typeof path !== 'string') return new StreamOutput(path)
  const output = FileOutput.open(path)
  if (!path.endsWith('.gz')) return output
  const { GzipOutput } = await import('./gzip-output.ts')
  return new GzipOutput(output)
}

class FileOutput implements ByteOutput {
  readonly revocable: boolean
  readonly #file: number
  /** Null: written in place. */
  readonly #draft: string | null
  readonly #path: string
  /** Where the next bytes go; null: there is no choice. */
  #position: number | null
  #open = true

  private constructor(file: number, path: string, draft: string | null) {
    this.#file = file
    this.#path = path
    this.#draft = draft
    this.revocable = draft !== null
    this.#position = draft !== null ? 0 : null
  }

  static open(path: string): FileOutput {
    const target = existsSync(path) ? realpathSync(path) : path
    const ordinary = !path.startsWith('/dev/') && (!existsSync(target) || statSync(target).isFile())
    const draft = ordinary ? `${target}.${process.pid}.part` : null
    const file = draft === null ? openSync(path, 'a') : openSync(draft, 'w')
    return new FileOutput(file, target, draft)
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const written = writeSync(this.#file, bytes, at, bytes.length - at, this.#position)
      at += written
      if (this.#position !== null) this.#position += written
    }
  }

  async restart(): Promise<void> {
    ftruncateSync(this.#file, 0)
    this.#position = 0
  }

  async finish(): Promise<void> {
    this.#open = false
    closeSync(this.#file)
    if (this.#draft !== null) renameSync(this.#draft, this.#path)
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#file)
    if (this.#draft !== null) rmSync(this.#draft, { force: true })
  }
}

class StreamOutput implements ByteOutput {
  readonly revocable = false
  readonly #stream: Writable

  constructor(stream: Writable) {
    this.#stream = stream
  }

  async write(bytes: Uint8Array): Promise<void> {
    // A copy: the stream may keep what it is given.
    if (!this.#stream.write(Buffer.from(bytes))) await once(this.#stream, 'drain')
  }

  async restart(): Promise<void> {}
  async finish(): Promise<void> {}
  async close(): Promise<void> {}
}
