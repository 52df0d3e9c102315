/**
 * What a process started and must not outlive it. A second process holds the list and waits for the first to end, in
 * whatever way (also by kill -9): then it kills, runs and removes what is still on the list.
 *
 * 1. It is told before there is anything to lose, or at once after a start.
 * 2. It keeps neither the first process nor the test runner waiting.
 * 3. It is in a process group of its own: Ctrl-C in a terminal does not reach it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** In this order at the end: processes, commands, folders. */
type Held = { pid: number } | { command: string[] } | { folder: string }
type Told = { id: number; held?: Held }

let leash: ChildProcess | null = null
let last = 0

/** @returns releases it: it has ended by itself */
export function hold(held: Held): () => void {
  leash ??= startLeash()
  const id = ++last
  tell({ id, held })
  return () => tell({ id })
}

function tell(told: Told): void {
  leash!.stdin!.write(`${JSON.stringify(told)}\n`)
}

function startLeash(): ChildProcess {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  child.unref()
  // A pipe is a socket, and would keep this process.
  const input = child.stdin as Socket
  input.unref()
  return child
}

async function waitAndEnd(): Promise<void> {
  const list = new Map<number, Held>()
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, held } = JSON.parse(line) as Told
    if (held === undefined) list.delete(id)
    else list.set(id, held)
  }
  const all = [...list.values()]
  for (const held of all) if ('pid' in held) kill(held.pid)
  for (const held of all) if ('command' in held) spawnSync(held.command[0]!, held.command.slice(1), { stdio: 'ignore' })
  for (const held of all) if ('folder' in held) rmSync(held.folder, { recursive: true, force: true, maxRetries: 20 })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

if (import.meta.main) await waitAndEnd()
