/**
 * One HTTP/2 connection to Apple, made anew when it has gone.
 *
 * 1. A request is written only to a connection that is open and has not been told to go away; until then a failure is
 *    certain: `retry`.
 * 2. After it was written, nothing was done with it only when the other side says so: REFUSED_STREAM, or a GOAWAY that
 *    names an earlier stream as its last (RFC 9113, 6.8 and 8.7).
 * 3. A connection that was quiet for a while is pinged before it is used.
 */
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { messageOf } from '../../errors.ts'
import { type HttpAnswer, retryAfterOf } from './http-sender.ts'
import type { TlsOptions } from './options.ts'

const QUIET_MS = 60_000
const PING_MS = 5000
const LARGEST_ANSWER = 16_000

interface Connection {
  readonly session: ClientHttp2Session
  readonly opened: Promise<void>
  /** Monotonic ms. */
  usedAt: number
  /** Of the GOAWAY; Infinity: there was none. */
  lastStream: number
}

export class ApnsSession {
  readonly #endpoint: URL
  readonly #tls: TlsOptions
  readonly #timeoutMs: number
  readonly #now: () => number
  #connection: Connection | null = null
  #checked: Promise<Connection> | null = null

  /** `now`: monotonic ms. */
  constructor(endpoint: URL, tls: TlsOptions, timeoutMs: number, now: () => number) {
    this.#endpoint = endpoint
    this.#tls = tls
    this.#timeoutMs = timeoutMs
    this.#now = now
  }

  /** @throws DeliveryError retry, unknown */
  async post(path: string, headers: Record<string, string>, body: string, signal: AbortSignal): Promise<HttpAnswer> {
    const own = new AbortController()
    const timer = setTimeout(() => own.abort(new Error(`no answer within ${this.#timeoutMs} ms`)), this.#timeoutMs)
    const abort = () => own.abort(new Error('given up before there was an answer'))
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    try {
      return await this.#try(path, headers, body, own.signal)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  }

  close(): void {
    this.#connection?.session.destroy()
    this.#connection = null
  }

  async #try(path: string, headers: Record<string, string>, body: string, limit: AbortSignal): Promise<HttpAnswer> {
    // Two turns: a connection may go away between its check and its use.
    for (let turn = 1; ; turn++) {
      const connection = await this.#within(this.#ready(), limit)
      const { session } = connection
      if (!session.closed && !session.destroyed && connection.lastStream === Number.POSITIVE_INFINITY) {
        return this.#exchange(connection, path, headers, body, limit)
      }
      if (turn > 1) throw new DeliveryError('retry', `${this.#endpoint.host} ends each connection at once`)
    }
  }

  /** A connection that answers; one look at it for all who ask meanwhile. */
  #ready(): Promise<Connection> {
    this.#checked ??= this.#check().finally(() => {
      this.#checked = null
    })
    return this.#checked
  }

  async #check(): Promise<Connection> {
    const held = this.#connection
    if (held !== null && !held.session.closed && !held.session.destroyed) {
      if (this.#now() - held.usedAt < QUIET_MS || (await ping(held.session))) return held
      held.session.destroy()
    }
    const made = this.#open()
    this.#connection = made
    await made.opened
    return made
  }

  #open(): Connection {
    const session = connect(this.#endpoint, { ...this.#tls, settings: { enablePush: false } })
    const opened = new Promise<void>((resolve, reject) => {
      const fail = (why: string) => {
        session.destroy()
        reject(new DeliveryError('retry', `${this.#endpoint.host}: ${why}`))
      }
      const timer = setTimeout(() => fail(`no connection within ${this.#timeoutMs} ms`), this.#timeoutMs)
      session.once('connect', () => {
        clearTimeout(timer)
        // It keeps no process alive; the timer of each request does.
        session.unref()
        resolve()
      })
      session.on('error', error => fail(messageOf(error)))
      session.on('close', () => {
        clearTimeout(timer)
        if (this.#connection === connection) this.#connection = null
        fail('the connection was closed')
      })
    })
    const connection: Connection = { session, opened, usedAt: this.#now(), lastStream: Number.POSITIVE_INFINITY }
    session.on('goaway', (_code: number, last: number) => {
      connection.lastStream = Math.min(connection.lastStream, last)
      if (this.#connection === connection) this.#connection = null
    })
    return connection
  }

  #exchange(
    connection: Connection,
    path: string,
    headers: Record<string, string>,
    body: string,
    limit: AbortSignal,
  ): Promise<HttpAnswer> {
    const { session } = connection
    return new Promise((resolve, reject) => {
      const stream = session.request({ ':method': 'POST', ':path': path, ...headers })
      const chunks: Buffer[] = []
      let length = 0
      let status = 0
      let retryAfter = 0
      let why = 'the stream ended without an answer'
      const abort = () => {
        why = messageOf(limit.reason)
        stream.close(constants.NGHTTP2_CANCEL)
      }
      limit.addEventListener('abort', abort)
      stream.on('response', received => {
        status = Number(received[':status'])
        retryAfter = retryAfterOf(received['retry-after'] as string | undefined, 0)
      })
      stream.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length <= LARGEST_ANSWER) chunks.push(chunk)
        else stream.close(constants.NGHTTP2_CANCEL)
      })
      stream.on('error', error => {
        why = messageOf(error)
      })
      // The one end that every stream has; by then the GOAWAY that ended it is known.
      stream.on('close', () => {
        limit.removeEventListener('abort', abort)
        connection.usedAt = this.#now()
        if (status !== 0) return resolve({ status, retryAfter, body: Buffer.concat(chunks).toString() })
        const isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM
        // A stream without a number was never written.
        const isBehind = stream.id === undefined || stream.id > connection.lastStream
        const fate = isRefused || isBehind ? 'retry' : 'unknown'
        reject(new DeliveryError(fate, `${this.#endpoint.host}: ${why}`))
      })
      stream.end(body)
    })
  }

  async #within<T>(work: Promise<T>, limit: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(new DeliveryError('retry', `${this.#endpoint.host}: ${messageOf(limit.reason)}`))
      limit.addEventListener('abort', abort)
      if (limit.aborted) abort()
      work.then(resolve, reject).finally(() => limit.removeEventListener('abort', abort))
    })
  }
}

/** Whether the other side still answers. */
function ping(session: ClientHttp2Session): Promise<boolean> {
  return new Promise(resolve => {
    const done = (answers: boolean) => {
      clearTimeout(timer)
      session.removeListener('close', lost)
      resolve(answers)
    }
    const lost = () => done(false)
    const timer = setTimeout(lost, PING_MS)
    session.on('close', lost)
    try {
      if (!session.ping(error => done(error === null))) done(false)
    } catch {
      done(false)
    }
  })
}
