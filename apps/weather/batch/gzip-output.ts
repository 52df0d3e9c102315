import { once } from 'node:events'
import { createGzip, type Gzip } from 'node:zlib'
import type { ByteOutput } from './byte-output.ts'

/** Packs what goes to another output. */
export class GzipOutput implements ByteOutput {
  readonly revocable = false
  readonly #target: ByteOutput
  readonly #gzip: Gzip = createGzip({ chunkSize: 256 * 1024 })
  readonly #packed: Promise<void>

  constructor(target: ByteOutput) {
    this.#target = target
    this.#packed = this.#pump()
    // It is told by whoever waits for it: write and finish.
    this.#packed.catch(() => this.#gzip.destroy())
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#gzip.write(Buffer.from(bytes))) await Promise.race([once(this.#gzip, 'drain'), this.#packed])
  }

  async restart(): Promise<void> {}

  async finish(): Promise<void> {
    this.#gzip.end()
    await this.#packed
    await this.#target.finish()
  }

  async close(): Promise<void> {
    this.#gzip.destroy()
    await this.#packed.catch(() => {})
    await this.#target.close()
  }

  async #pump(): Promise<void> {
    for await (const chunk of this.#gzip) await this.#target.write(chunk as Uint8Array)
  }
}
