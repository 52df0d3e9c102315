/**
 * Requests to a schema registry that may be several servers, behind TLS and a password, and now and then away.
 *
 * 1. A request goes to the server that answered last; when it does not answer, or not now (429, 5xx), to the others, and
 *    after that again to all of them, later and later.
 * 2. An answer that is a refusal is thrown at once: REGISTRY_REFUSED. Everything else that is no answer, credentials that
 *    are not taken too, is REGISTRY_UNREACHABLE, whose fate is `retry`.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { AldebaranError, messageOf } from '../../errors.ts'
import { parseDuration } from '../../pipeline/units.ts'

export interface RegistrySettings {
  /** Where the registry is; of several addresses the first that answers is asked. */
  url: string | readonly string[]
  /** HTTP Basic, or a Bearer token. Default: what stands in the address, or nobody. */
  auth?: { username: string; password: string } | { token: string }
  /** As `tls.connect` of Node takes them. */
  tls?: {
    ca?: string | Buffer | (string | Buffer)[]
    cert?: string | Buffer
    key?: string | Buffer
    passphrase?: string
    servername?: string
    rejectUnauthorized?: boolean
  }
  /** For one try of a request. Default '5s'. */
  timeout?: string | number
  /** Tries after the first one. Default 5. */
  retries?: number
}

export interface RegistryRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below the address, encoded. */
  path: string
  body?: object
  /** Keeps no process or thread alive. */
  background?: boolean
}

const TYPE = 'application/vnd.schemaregistry.v1+json'
const LARGEST_ANSWER = 16 * 1024 * 1024
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000

interface Answer {
  status: number
  retryAfter: number
  body: string
}

export class RegistryTransport {
  readonly #urls: readonly URL[]
  readonly #authorization: string | null
  readonly #timeoutMs: number
  readonly #retries: number
  readonly #http: HttpAgent
  readonly #https: HttpsAgent
  /** The index of the address that answered last. */
  #preferred = 0

  /** @throws AldebaranError OPTION_INVALID */
  constructor({ url, auth, tls, timeout, retries }: RegistrySettings) {
    const given = typeof url === 'string' ? [url] : url
    if (given.length === 0) throw new AldebaranError('OPTION_INVALID', 'url: the schema registry has no address')
    this.#urls = given.map(parseAddress)
    this.#authorization = authorizationOf(auth, this.#urls[0]!)
    this.#timeoutMs = parseDuration(timeout ?? '5s', 'timeout')
    this.#retries = retries ?? 5
    if (!Number.isInteger(this.#retries) || this.#retries < 0) {
      throw new AldebaranError('OPTION_INVALID', `retries: ${retries} is not a whole number from 0`)
    }
    this.#http = new HttpAgent({ keepAlive: true, maxSockets: 8 })
    this.#https = new HttpsAgent({ ...tls, keepAlive: true, maxSockets: 8 })
  }

  /** Where it is, without credentials. */
  get address(): string {
    return this.#urls.map(url => url.origin + url.pathname).join(', ')
  }

  /** @throws AldebaranError REGISTRY_REFUSED, REGISTRY_UNREACHABLE */
  async ask<T>(request: RegistryRequest): Promise<T> {
    let last: AldebaranError | null = null
    for (let round = 0; round <= this.#retries; round++) {
      let pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** round) * (0.5 + Math.random() / 2)
      for (let n = 0; n < this.#urls.length; n++) {
        const index = (this.#preferred + n) % this.#urls.length
        const url = this.#urls[index]!
        let answer: Answer
        try {
          answer = await this.#send(url, request)
        } catch (error) {
          last = this.#unreachable(`${url.origin} does not answer: ${messageOf(error)}`, error)
          continue
        }
        if (answer.status === 429 || answer.status >= 500) {
          last = this.#unreachable(`${url.origin} answers ${answer.status}: ${messageIn(answer.body)}`)
          pause = Math.min(LONGEST_PAUSE_MS, Math.max(pause, answer.retryAfter))
          continue
        }
        this.#preferred = index
        return this.#result<T>(url, answer)
      }
      if (round < this.#retries) await sleep(pause, undefined, { ref: request.background !== true })
    }
    throw last!
  }

  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  #result<T>(url: URL, { status, body }: Answer): T {
    const json = parsed(body)
    if (status >= 200 && status < 300 && json !== undefined) return json as T
    if (status === 401 || status === 403) throw this.#unreachable(`${url.origin} takes no such credentials (${status})`)
    const { error_code: errorCode, message } = Object(json) as { error_code?: unknown; message?: unknown }
    if (status < 400 || typeof errorCode !== 'number' || errorCode < 400 || errorCode === 404) {
      throw this.#unreachable(`what answers at ${url.origin}${url.pathname} is no schema registry (HTTP ${status})`)
    }
    throw new AldebaranError('REGISTRY_REFUSED', String(message), { errorCode })
  }

  #send(url: URL, { method, path, body, background }: RegistryRequest): Promise<Answer> {
    const isTls = url.protocol === 'https:'
    const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const headers: Record<string, string | number> = { accept: `${TYPE}, application/json` }
    if (this.#authorization !== null) headers.authorization = this.#authorization
    if (text !== undefined) {
      headers['content-type'] = TYPE
      headers['content-length'] = text.length
    }
    const target = new URL(url.pathname.replace(/\/+$/, '') + path, url)
    return new Promise((resolve, reject) => {
      const options = { method, headers, agent: isTls ? this.#https : this.#http }
      const receive = (response: IncomingMessage) => void receiveAnswer(response).then(resolve, reject)
      const request: ClientRequest = isTls
        ? httpsRequest(target, options, receive)
        : httpRequest(target, options, receive)
      const timer = setTimeout(() => {
        request.destroy(new Error(`no answer within ${this.#timeoutMs} ms`))
      }, this.#timeoutMs)
      if (background === true) {
        timer.unref()
        request.on('socket', socket => socket.unref())
      }
      request.on('error', reject)
      request.on('close', () => clearTimeout(timer))
      request.end(text)
    })
  }

  #unreachable(message: string, cause?: unknown): AldebaranError {
    return new AldebaranError('REGISTRY_UNREACHABLE', `The schema registry: ${message}`, { url: this.address }, cause)
  }
}

async function receiveAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > LARGEST_ANSWER) throw new Error(`the answer has more than ${LARGEST_ANSWER} bytes`)
    chunks.push(chunk)
  }
  const seconds = Number(response.headers['retry-after'])
  return {
    status: response.statusCode ?? 0,
    retryAfter: Number.isFinite(seconds) ? seconds * 1000 : 0,
    body: Buffer.concat(chunks).toString(),
  }
}

function parseAddress(text: string): URL {
  const url = URL.parse(text)
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  // Never the whole address: it may hold a password.
  throw new AldebaranError('OPTION_INVALID', 'url: the address of the schema registry is not an http or https address')
}

function authorizationOf(auth: RegistrySettings['auth'], url: URL): string | null {
  if (auth !== undefined && 'token' in auth) return `Bearer ${auth.token}`
  const { username, password } = auth ?? {
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  }
  if (username === '' && password === '') return null
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function messageIn(body: string): string {
  const { message } = Object(parsed(body)) as { message?: unknown }
  return typeof message === 'string' ? message : 'it says no more'
}
