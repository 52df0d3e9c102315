/** The command line as users run it: a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { LineAnswer } from '../e2e/answers.ts'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')

export interface Outcome {
  code: number | null
  err: string
  lines: LineAnswer[]
}

/** What takes longer is killed, and the test fails with what it said. */
const PATIENCE_MS = 120_000

const running = new Set<ChildProcess>()
/** On stderr, so far. */
const said = new WeakMap<ChildProcess, string>()

// A test that fails knows nothing of what it was about to start.
after(() => {
  for (const child of running) child.kill('SIGKILL')
})

export function spawnCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}, input = ''): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  running.add(child)
  child.on('exit', () => running.delete(child))
  child.stderr.on('data', (chunk: Buffer) => said.set(child, `${said.get(child) ?? ''}${chunk}`))
  child.stdin.end(input)
  return child
}

/** Runs it to its end. */
export async function command(args: readonly string[], env: NodeJS.ProcessEnv = {}, input = ''): Promise<Outcome> {
  const child = spawnCommand(args, env, input)
  let out = ''
  child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const [code] = (await patiently(child, `to run ${args.join(' ')}`, once(child, 'close'))) as [number | null]
  const lines = out.split('\n').filter(line => line !== '')
  return { code, err: said.get(child) ?? '', lines: lines.map(line => JSON.parse(line) as LineAnswer) }
}

/** Resolves with the address that `run` prints; throws when it ends before. */
export async function listening(child: ChildProcess): Promise<string> {
  return await patiently(child, 'to listen', addressOf(child))
}

async function addressOf(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout! })
  for await (const line of lines) return (JSON.parse(line) as { url: string }).url
  throw new Error(`it ended: ${said.get(child)}`)
}

export async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(signal)
  await patiently(child, `to end by ${signal}`, exit)
}

async function patiently<T>(child: ChildProcess, what: string, done: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = setTimeout(PATIENCE_MS, null, { signal: timer.signal }).then(() => {
    child.kill('SIGKILL')
    throw new Error(`it took longer than ${PATIENCE_MS / 1000} s ${what}: ${said.get(child)}`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([done, late])
  } finally {
    timer.abort()
  }
}
