import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { Api } from './api.ts'
import { Output, type OutputStream } from './output.ts'

/** The outside of a command line: the process, or what a test puts in its place. */
export interface Surroundings {
  readonly stdin: Readable & { isTTY?: boolean }
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly env: NodeJS.ProcessEnv
  on(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  off(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  exit(code: number): unknown
}

const DEFAULT_URL = 'http://127.0.0.1:8000'

/** What a command works with. The options of the program are known once it runs. */
export class Session {
  readonly surroundings: Surroundings
  exitCode = 0
  readonly #program: Command
  readonly #args: readonly string[]
  readonly #interrupt = new AbortController()
  #out: Output | null = null

  constructor(program: Command, surroundings: Surroundings, args: readonly string[]) {
    this.#program = program
    this.surroundings = surroundings
    this.#args = args
    surroundings.on('SIGINT', this.#interrupted)
    surroundings.on('SIGTERM', this.#interrupted)
    surroundings.stdout.on('error', this.#broken)
  }

  /** Aborted by Ctrl-C and SIGTERM; the second one ends the process. */
  get signal(): AbortSignal {
    return this.#interrupt.signal
  }

  get out(): Output {
    const { stdout, stderr, env } = this.surroundings
    // An error of the command line itself comes before its options are parsed.
    const json = this.#program.opts<{ json?: boolean }>().json === true || this.#args.includes('--json')
    this.#out ??= new Output(stdout, stderr, env, json)
    return this.#out
  }

  get verbose(): boolean {
    return this.#args.includes('--verbose')
  }

  /** The process that `--url` or ALDEBARAN_URL names. */
  get api(): Api {
    const { env } = this.surroundings
    const options = this.#program.opts<{ url?: string; token?: string }>()
    const token = options.token ?? env.ALDEBARAN_TOKEN
    return new Api(options.url ?? (env.ALDEBARAN_URL || DEFAULT_URL), token || null, this.signal)
  }

  /** Another process, asked with the same token until the signal says that it is too late. */
  apiAt(url: string, signal: AbortSignal): Api {
    const { token } = this.#program.opts<{ token?: string }>()
    return new Api(
      url,
      (token ?? this.surroundings.env.ALDEBARAN_TOKEN) || null,
      AbortSignal.any([signal, this.signal]),
    )
  }

  close(): void {
    this.surroundings.off('SIGINT', this.#interrupted)
    this.surroundings.off('SIGTERM', this.#interrupted)
  }

  #interrupted = (): void => {
    if (this.signal.aborted) this.surroundings.exit(130)
    this.#interrupt.abort()
  }

  /** Whoever read the output has enough, as `| head` does: that is no error. */
  #broken = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error
    this.surroundings.exit(0)
  }
}
