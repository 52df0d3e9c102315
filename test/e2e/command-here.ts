/** The command line within this process: what it prints, and its exit code. */
import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { runCommandLine } from '../../src/cli/program.ts'

class Captured extends Writable {
  text = ''
  isTTY = false
  columns = 80

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

export interface Outcome {
  code: number
  out: string
  err: string
  /** stdout as JSON lines. */
  lines: Record<string, unknown>[]
}

export async function aldebaran(
  args: string[],
  options: { terminal?: boolean; env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<Outcome> {
  const stdout = new Captured()
  const stderr = new Captured()
  stdout.isTTY = options.terminal ?? false
  const code = await runCommandLine(args, {
    stdin: Readable.from([Buffer.from(options.input ?? '')]),
    stdout,
    stderr,
    env: { NO_COLOR: '1', ...options.env },
    on: () => {},
    off: () => {},
    exit: () => {},
  })
  const json = stdout.text.startsWith('{') ? stdout.text.trimEnd().split('\n') : []
  return { code, out: stdout.text, err: stderr.text, lines: json.map(line => JSON.parse(line)) }
}

export function first({ lines }: { lines: Record<string, unknown>[] }): Record<string, unknown> {
  assert.ok(lines[0])
  return lines[0]
}
