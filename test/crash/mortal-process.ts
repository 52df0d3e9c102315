/** The program `programs/mortal.ts` in a process of its own, and what is left of it afterwards. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { openLog } from '../../src/log/host.ts'
import { readTopic } from '../../src/testing/read-topic.ts'
import type { Asked } from './programs/mortal.ts'
import { done, orders } from './programs/mortal-application.ts'

interface Line {
  what: string
  processed?: number
  /** Bytes of the memory budget: in use, and charged by the workers. */
  used?: number
  charged?: number
}

const MORTAL = new URL('./programs/mortal.ts', import.meta.url)

export class MortalProcess {
  readonly lines: Line[] = []
  /** What it wrote on stderr. */
  errors = ''
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  #heard = Promise.withResolvers<void>()

  constructor(folder: string, count = 0, program = MORTAL, flags: string[] = []) {
    this.#child = fork(program, [folder, String(count)], {
      execArgv: flags,
      // The informative lines of the logs are of no interest.
      env: { ...process.env, LOG_LEVEL: 'warn' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#closed = once(this.#child, 'close')
    const hear = () => {
      this.#heard.resolve()
      this.#heard = Promise.withResolvers()
    }
    createInterface({ input: this.#child.stdout! }).on('line', line => {
      this.lines.push(JSON.parse(line) as Line)
      hear()
    })
    this.#child.stderr!.on('data', (data: Buffer) => {
      this.errors += data.toString()
    })
    this.#child.once('close', hear)
  }

  said(what: string): boolean {
    return this.lines.some(line => line.what === what)
  }

  /** Resolves when it has said that. */
  async until(what: string): Promise<Line> {
    for (;;) {
      const line = this.lines.find(one => one.what === what)
      if (line !== undefined) return line
      assert.equal(this.#child.exitCode ?? this.#child.signalCode, null, `it ended before '${what}': ${this.errors}`)
      await this.#heard.promise
    }
  }

  /** Resolves when that is done. */
  async ask(asked: Asked): Promise<void> {
    const answer = asked === 'break the log' ? null : once(this.#child, 'message')
    this.#child.send(asked)
    await answer
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** How it ended: its exit code, or the signal that ended it. */
  async end(): Promise<number | string> {
    await this.#closed
    return this.#child.exitCode ?? this.#child.signalCode!
  }

  /** For the end of a test, however that came. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }
}

export interface Left {
  /** Records that were sent, and those whose processing is committed. */
  sent: number
  processed: number
  /** Numbers of the orders that are done, ascending. */
  done: number[]
  /** Every key was counted up by one an order, without a gap. */
  counted: boolean
}

/** What the store of an application that is not running holds. */
export async function leftIn(folder: string): Promise<Left> {
  const host = await openLog({ path: folder, durability: 'process', maxBytes: 2 ** 32 })
  try {
    const log = host.client()
    const results = readTopic(log, done)
    const last = new Map<string, number>()
    let counted = true
    for (const { key, value } of results) {
      counted &&= value!.count === (last.get(key!) ?? 0) + 1
      last.set(key!, value!.count)
    }
    return {
      sent: readTopic(log, orders).length,
      processed: log.positions('mortal.work').reduce((sum, position) => sum + position.offset, 0),
      done: results.map(({ value }) => value!.n).sort((a, b) => a - b),
      counted,
    }
  } finally {
    await host.close()
  }
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}
