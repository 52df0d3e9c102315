/**
 * Programs of a benchmark in processes of their own, called like functions.
 *
 * 1. A program ends with its caller, in whatever way that ends, also when it is stopped (SIGSTOP).
 * 2. A call ends: with the answer, with what the program threw, or when the program ends.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { hold } from '../test/servers/leash.ts'

// biome-ignore lint/suspicious/noExplicitAny: functions of any kind; `Program` gives them their types back
type Calls = Record<string, (argument: any) => unknown>

interface Asked {
  id: number
  call: string
  argument: unknown
}
interface Answered {
  id: number
  answer?: unknown
  error?: string
}

const READY = -1

/** In the program: answers calls from now on. */
export function answerCalls(calls: Calls): void {
  process.on('message', async ({ id, call, argument }: Asked) => {
    let answered: Answered
    try {
      answered = { id, answer: await calls[call]!(argument) }
    } catch (error) {
      answered = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    }
    if (process.connected) process.send!(answered)
  })
  process.on('disconnect', () => process.exit(0))
  process.send!({ id: READY } satisfies Answered)
}

type Waiting = PromiseWithResolvers<unknown>

export class Program<C extends Calls> implements AsyncDisposable {
  readonly pid: number
  /** Rejects when it ends before it is told to. */
  readonly failed: Promise<never>
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #release: () => void
  #last = 0
  #isEnding = false

  private constructor(file: string, child: ChildProcess) {
    this.#child = child
    this.pid = child.pid!
    this.#release = hold({ pid: this.pid })
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => {})
    this.failed = failed.promise
    child.on('message', (answered: Answered) => this.#take(answered))
    child.once('exit', (code, signal) => {
      this.#release()
      const error = new Error(`${file} ended by itself: ${code ?? signal}`)
      for (const { reject } of this.#waiting.values()) reject(error)
      this.#waiting.clear()
      if (!this.#isEnding) failed.reject(error)
    })
  }

  /** A file of this folder, which calls `answerCalls`. Resolves when it has. */
  static async start<C extends Calls>(
    file: string,
    environment: Readonly<Record<string, string>> = {},
    flags: readonly string[] = [],
  ): Promise<Program<C>> {
    const child = fork(new URL(`./${file}`, import.meta.url), [], {
      env: { ...process.env, ...environment },
      execArgv: [...flags],
      serialization: 'advanced',
      // Results alone go to stdout.
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    const program = new Program<C>(file, child)
    const ready = Promise.withResolvers<unknown>()
    program.#waiting.set(READY, ready)
    await ready.promise
    return program
  }

  call<K extends keyof C & string>(call: K, argument: Parameters<C[K]>[0]): Promise<Awaited<ReturnType<C[K]>>> {
    const id = ++this.#last
    const waiting = Promise.withResolvers<unknown>()
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.failed
    this.#waiting.set(id, waiting)
    this.#child.send({ id, call, argument } satisfies Asked)
    return waiting.promise as Promise<Awaited<ReturnType<C[K]>>>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #take({ id, answer, error }: Answered): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(answer)
    else waiting?.reject(new Error(error))
  }
}

/** The clock that all processes of a machine share, ms. */
export function sharedNow(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
