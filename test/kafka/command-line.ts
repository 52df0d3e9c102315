/** The command line as users run it: a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LineAnswer } from '../e2e/answers.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')

export interface Outcome {
  code: number | null
  err: string
  lines: LineAnswer[]
}

export function spawnCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  child.stdin!.end()
  return child
}

/** Runs it to its end. */
export async function command(args: readonly string[], env: NodeJS.ProcessEnv = {}, input = ''): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  const lines = out.split('\n').filter(line => line !== '')
  return { code, err, lines: lines.map(line => JSON.parse(line) as LineAnswer) }
}

/** Resolves with the address that `run` prints; throws when it ends before. */
export async function listening(child: ChildProcess): Promise<string> {
  let err = ''
  child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const lines = createInterface({ input: child.stdout! })
  for await (const line of lines) return (JSON.parse(line) as { url: string }).url
  throw new Error(`it ended: ${err}`)
}

export async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(signal)
  await exit
}
