/**
 * POSTs, one answer each, over connections that are kept.
 *
 * 1. An answer is whatever came with a status: what it means is for the channel to say.
 * 2. No answer is `retry` when the other side cannot have got the request as a whole: there was no connection, or its last
 *    byte was not handed to the network. Else it is `unknown`.
 * 3. Redirects are not followed, and answers are read up to 64 kB.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { messageOf } from '../../errors.ts'
import type { TlsOptions } from './options.ts'
import type { Wording } from './wording.ts'

export interface HttpAnswer {
  readonly status: number
  /** From Retry-After, ms; 0: it did not say. */
  readonly retryAfter: number
  readonly body: string
}

const LARGEST_ANSWER = 64_000
const LONGEST_RETRY_AFTER_MS = 86_400_000
/** Connections that do nothing are ended before most servers do: what is sent just then has an unknown outcome. */
const IDLE_MS = 4000

export class HttpSender {
  readonly #agent: HttpAgent
  readonly #isTls: boolean
  readonly #timeoutMs: number
  readonly #wording: Wording
  readonly #opened = new WeakSet<Socket>()

  /** All its requests go to addresses of one scheme. */
  constructor(protocol: string, timeoutMs: number, wording: Wording, tls: TlsOptions = {}) {
    this.#isTls = protocol === 'https:'
    const options = { keepAlive: true, timeout: IDLE_MS, maxSockets: 64 }
    this.#agent = this.#isTls ? new HttpsAgent({ ...tls, ...options }) : new HttpAgent(options)
    this.#timeoutMs = timeoutMs
    this.#wording = wording
  }

  /**
   * @param now ms since 1970, for a Retry-After that is a date
   * @throws DeliveryError retry, unknown
   */
  post(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
    now: number,
  ): Promise<HttpAnswer> {
    if (signal.aborted) return Promise.reject(new DeliveryError('retry', 'given up before it was sent'))
    return new Promise((resolve, reject) => {
      const bytes = Buffer.from(body)
      const options = { method: 'POST', headers: { ...headers, 'content-length': bytes.length }, agent: this.#agent }
      const request = this.#isTls ? httpsRequest(url, options) : httpRequest(url, options)
      const connection = this.#watch(request)
      let partial: { response: IncomingMessage; chunks: Buffer[] } | null = null
      let isOver = false
      const finish = () => {
        isOver = true
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
      }
      const answer = () => {
        const { response, chunks } = partial!
        finish()
        resolve({
          status: response.statusCode ?? 0,
          retryAfter: retryAfterOf(response.headers['retry-after'], now),
          body: Buffer.concat(chunks).toString('utf8', 0, LARGEST_ANSWER),
        })
      }
      const fail = (why: string) => {
        if (isOver) return
        // The status has come: it is an answer, whatever became of the rest.
        if (partial !== null) answer()
        else {
          // Within TLS a write may be told of after the answer to it: only the connection is certain.
          const isCertain = !connection.isOpen || (!this.#isTls && !request.writableFinished)
          finish()
          reject(new DeliveryError(isCertain ? 'retry' : 'unknown', `${url.host}: ${this.#wording.of(why)}`))
        }
        request.destroy()
      }
      const abort = () => fail('given up before there was an answer')
      const timer = setTimeout(() => fail(`no answer within ${this.#timeoutMs} ms`), this.#timeoutMs)
      signal.addEventListener('abort', abort)
      request.on('error', error => fail(messageOf(error)))
      request.on('close', () => fail('the connection ended without an answer'))
      request.on('response', response => {
        const chunks: Buffer[] = []
        partial = { response, chunks }
        let length = 0
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          length += chunk.length
          if (length > LARGEST_ANSWER) fail('')
        })
        response.on('end', () => {
          if (!isOver) answer()
        })
        response.on('error', () => fail(''))
      })
      request.end(bytes)
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Whether the request has had a connection on which it could go. */
  #watch(request: ClientRequest): { isOpen: boolean } {
    const state = { isOpen: false }
    request.once('socket', (socket: Socket) => {
      state.isOpen = this.#opened.has(socket)
      if (state.isOpen) return
      socket.once(this.#isTls ? 'secureConnect' : 'connect', () => {
        this.#opened.add(socket)
        state.isOpen = true
      })
    })
    return state
  }
}

/** Seconds or a date, as ms from now; 0: neither. */
export function retryAfterOf(header: string | undefined, now: number): number {
  if (header === undefined) return 0
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isFinite(ms) ? Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, ms)) : 0
}

/** The JSON object that a body is; one without properties if it is none. */
export function objectIn(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
