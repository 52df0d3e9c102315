import { AldebaranError } from '../errors.ts'
import { readEvents, type ServerEvent } from './event-stream.ts'
import { ApiError, Interrupted, UsageError } from './failure.ts'

interface Request {
  method?: 'POST'
  body?: string | Uint8Array<ArrayBuffer>
  headers?: Record<string, string>
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** The HTTP API of a running process. */
export class Api {
  readonly url: string
  readonly #token: string | null
  readonly #signal: AbortSignal

  /** @throws UsageError when the address is not one */
  constructor(url: string, token: string | null, signal: AbortSignal) {
    const address = URL.parse(url.includes('://') ? url : `http://${url}`)
    if (address === null || !address.protocol.startsWith('http'))
      throw new UsageError(`'${url}' is not an http address`)
    this.url = address.href.replace(/\/+$/, '')
    this.#token = token
    this.#signal = signal
  }

  /** What each request must carry, for those that are sent by other means. */
  get headers(): Record<string, string> {
    return this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }
  }

  async get<T>(path: string, query: Query = {}): Promise<T> {
    const response = await this.#ask(path, query, {})
    return (await this.#json(response)) as T
  }

  async post<T>(path: string, query: Query, body: string | Uint8Array<ArrayBuffer>, contentType: string): Promise<T> {
    const headers = { 'content-type': contentType }
    const response = await this.#ask(path, query, { method: 'POST', body, headers })
    return (await this.#json(response)) as T
  }

  /** Server-sent events until the server ends them or the user does. */
  async *events(path: string, query: Query = {}, lastEventId: string | null = null): AsyncGenerator<ServerEvent> {
    const headers: Record<string, string> = { accept: 'text/event-stream' }
    if (lastEventId !== null) headers['last-event-id'] = lastEventId
    const response = await this.#ask(path, query, { headers })
    if (response.body === null) return
    try {
      yield* readEvents(response.body)
    } catch (error) {
      if (!this.#signal.aborted) throw this.#unreachable(error)
    }
  }

  /** The bytes of an answer as they come. What breaks off before its end throws. */
  async *bytes(path: string, query: Query = {}): AsyncGenerator<Uint8Array, undefined> {
    const response = await this.#ask(path, query, { headers: { accept: '*/*' } })
    if (response.body === null) return
    try {
      yield* response.body
    } catch (error) {
      if (this.#signal.aborted) throw new Interrupted()
      const message = `the answer of ${this.url} broke off before its end`
      throw new AldebaranError('SERVER_UNREACHABLE', message, { url: this.url }, error)
    }
  }

  async #ask(path: string, query: Query, init: Request): Promise<Response> {
    const url = new URL(this.url + path)
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const headers: Record<string, string> = { accept: 'application/json', ...init.headers, ...this.headers }
    let response: Response
    try {
      response = await fetch(url, { ...init, headers, signal: this.#signal })
    } catch (error) {
      throw this.#unreachable(error)
    }
    if (!response.ok && !(await isPartial(response))) throw await this.#failureOf(response)
    return response
  }

  async #json(response: Response): Promise<unknown> {
    try {
      return await response.json()
    } catch (error) {
      if (this.#signal.aborted) throw new Interrupted()
      throw this.#foreign(response.status, error)
    }
  }

  async #failureOf(response: Response): Promise<Error> {
    const body: unknown = await response.json().catch(() => null)
    const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
    if (typeof error !== 'object' || error === null) return this.#foreign(response.status)
    const { code, message, remedy, ...details } = error as Record<string, unknown>
    return new ApiError(response.status, String(code), String(message), String(remedy), details)
  }

  #unreachable(error: unknown): Error {
    if (this.#signal.aborted) return new Interrupted()
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const why = cause instanceof AggregateError ? cause.errors[0] : cause
    const reason = typeof why === 'object' && why !== null && 'code' in why ? String(why.code) : String(why)
    return new AldebaranError(
      'SERVER_UNREACHABLE',
      `nothing answers at ${this.url} (${reason})`,
      { url: this.url },
      error,
    )
  }

  #foreign(status: number, cause?: unknown): Error {
    const message = `what answers at ${this.url} does not speak like Aldebaran (HTTP ${status})`
    return new AldebaranError('SERVER_FOREIGN', message, { url: this.url, status }, cause)
  }
}

/** An ingest that refused every record, and a health that is failing, tell all they usually do. */
async function isPartial(response: Response): Promise<boolean> {
  if (response.status !== 400 && response.status !== 503) return false
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null)
  return typeof body === 'object' && body !== null && ('accepted' in body || 'problems' in body)
}
