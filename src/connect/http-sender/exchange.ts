/**
 * One request and its response.
 *
 *     waiting for a connection ──► sent ──► status ──► end
 *            │                      │          │
 *            └──────────────────────┴──────────┴─────► failed: timeout, abort, connection
 *
 * Invariants
 * 1. It has one outcome, whatever happens afterwards.
 * 2. `isSent` is true from before the first byte is written: what fails while it is false was not sent.
 * 3. A request whose outcome is there before it was sent is not sent any more.
 * 4. Of a body as long as somebody likes, `kept` bytes are kept; behind `drained` bytes the connection is cut, and the
 *    status stands.
 */
import { StringDecoder } from 'node:string_decoder'
import type { Dispatcher } from 'undici'
import { failureOf, OVER } from './failure.ts'
import type { OriginPool } from './origin-pools.ts'
import type { PostFailure, PostOutcome } from './post.ts'

export interface BodyLimits {
  /** Bytes. */
  readonly kept: number
  readonly drained: number
}

type Controller = Dispatcher.DispatchController
type ResponseHeaders = Record<string, string | string[] | undefined>

export class Exchange {
  readonly #resolve: (outcome: PostOutcome) => void
  readonly #pool: OriginPool
  readonly #limits: BodyLimits
  readonly #signal: AbortSignal | undefined
  readonly #startedAt: number
  readonly #timer: NodeJS.Timeout
  #controller: Controller | null = null
  #isOver = false
  #isSent = false
  #sentAt = 0
  #firstByteAt = 0
  #status = 0
  #retryAfter = ''
  #contentType = ''
  #chunks: Buffer[] | null = null
  #bytes = 0

  constructor(
    resolve: (outcome: PostOutcome) => void,
    pool: OriginPool,
    limits: BodyLimits,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    startedAt: number,
  ) {
    this.#resolve = resolve
    this.#pool = pool
    this.#limits = limits
    this.#signal = signal
    this.#startedAt = startedAt
    this.#timer = setTimeout(expire, timeoutMs, this, timeoutMs)
    signal?.addEventListener('abort', this)
  }

  /** Gives up: with this reason, if there is no outcome yet. */
  giveUp(reason: 'timeout' | 'aborted', message: string): void {
    if (this.#isOver) return
    this.#settle({ stage: this.#isSent ? 'sent' : 'unsent', reason, message })
    this.#controller?.abort(OVER)
  }

  /** Of the signal. */
  handleEvent(): void {
    this.giveUp('aborted', 'it was aborted')
  }

  // What undici calls.

  onRequestStart(controller: Controller): void {
    // Thrown here, the request is dropped, and the connection lives.
    if (this.#isOver) throw OVER
    this.#controller = controller
    this.#isSent = true
    this.#sentAt = performance.now()
  }

  onResponseStart(_controller: Controller, status: number, headers: ResponseHeaders): void {
    if (status < 200) return
    this.#firstByteAt = performance.now()
    this.#status = status
    this.#retryAfter = textOf(headers['retry-after'])
    this.#contentType = textOf(headers['content-type'])
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#isOver) return
    const before = this.#bytes
    const { kept, drained } = this.#limits
    this.#bytes = before + chunk.length
    if (before < kept) {
      const part = before + chunk.length > kept ? chunk.subarray(0, kept - before) : chunk
      if (this.#chunks === null) this.#chunks = [part]
      else this.#chunks.push(part)
    }
    if (this.#bytes <= drained) return
    this.#settle(null)
    controller.abort(OVER)
  }

  onResponseEnd(): void {
    if (!this.#isOver) this.#settle(null)
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (!this.#isOver) this.#settle(failureOf(error, this.#isSent))
  }

  #settle(failure: PostFailure | null): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this)
    const now = performance.now()
    this.#pool.end(now)
    this.#resolve({
      status: this.#status,
      retryAfter: this.#retryAfter,
      contentType: this.#contentType,
      body: this.#chunks === null ? '' : this.#text(this.#chunks),
      isCut: this.#bytes > this.#limits.kept,
      sentMs: this.#isSent ? this.#sentAt - this.#startedAt : -1,
      firstByteMs: this.#status === 0 ? -1 : this.#firstByteAt - this.#startedAt,
      totalMs: now - this.#startedAt,
      failure,
    })
    this.#chunks = null
  }

  /** Without half a character at its end. */
  #text(chunks: Buffer[]): string {
    return new StringDecoder('utf8').write(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
  }
}

function expire(exchange: Exchange, timeoutMs: number): void {
  exchange.giveUp('timeout', `it took longer than ${timeoutMs} ms`)
}

function textOf(value: string | string[] | undefined): string {
  return (typeof value === 'string' ? value : (value?.[0] ?? '')).slice(0, 200)
}
