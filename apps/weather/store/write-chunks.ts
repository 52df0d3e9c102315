import type { Writable } from 'node:stream'
import { openOutput } from '../batch/output.ts'

/**
 * Writes all pieces, and returns what their generator does. A file has its name when it is whole; until then it lies beside,
 * and goes when anything fails or the signal comes.
 */
export async function writeChunks<R>(
  chunks: AsyncGenerator<Uint8Array, R>,
  path: string | Writable,
  signal: AbortSignal,
): Promise<R> {
  const output = await openOutput(path)
  try {
    for (;;) {
      signal.throwIfAborted()
      const { value, done } = await chunks.next()
      if (!done) {
        await output.write(value)
        continue
      }
      await output.finish()
      return value
    }
  } finally {
    await chunks.return(undefined as never).catch(() => {})
    await output.close()
  }
}
