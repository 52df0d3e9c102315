/**
 * One connection to a broker: requests out, answers in, in order.
 *
 * Invariants
 * 1. Answers come in the order of the requests. After a time-out, or bytes that cannot be read, nothing on the
 *    connection can be trusted: it is closed, and everything under way fails.
 * 2. `done` of a request is called once. What an answer holds as bytes is valid during that call only.
 * 3. What `done` throws is a defect of ours and not of the broker: the connection is closed with it all the same, for whoever
 *    threw may be half done.
 * 4. The buffer of a request is used again only after its answer: until then the socket may still be reading it.
 */
import type { Socket } from 'node:net'
import { AldebaranError, messageOf } from '../../../errors.ts'
import { saslAuthenticate, saslHandshake } from './admin-messages.ts'
import { malformed, WireReader, WireWriter } from './bytes.ts'
import { apiVersions } from './data-messages.ts'
import { NONE, nameOfCode } from './error-codes.ts'
import { Frames } from './frames.ts'
import { authenticationFailed } from './mechanism.ts'
import { authenticate, mechanismOf } from './sasl.ts'
import type { Security } from './security.ts'
import { disconnected, type Endpoint, openSocket } from './socket.ts'
import { type Api, skipTags } from './types.ts'

export type { Endpoint } from './socket.ts'

export interface ConnectionSettings {
  readonly clientId: string
  readonly security: Security
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
}

/** Hears of every request that is sent. */
export interface RequestCounter {
  countRequest(apiKey: number): void
}

type Done<S> = (error: AldebaranError | null, answer: S | null) => void

interface Pending {
  readonly api: Api<unknown, unknown>
  readonly correlation: number
  readonly deadline: number
  readonly writer: WireWriter
  /** The answer is looked at later: its bytes stay. */
  readonly keeps: boolean
  readonly done: Done<unknown>
}

/** A request buffer above this is not kept. */
const LARGEST_KEPT = 4 * 1024 * 1024
const SPARE_WRITERS = 4
/** A broker that lives answers so soon what it need not look up, ms: another one is asked then. */
export const LOOK_MS = 2000
const CLIENT_VERSION = '0.1.0'
/** A broker takes no two authentications of a connection within a second. */
const LEAST_SESSION_MS = 1100
const LONGEST_TIMER_MS = 2 ** 31 - 1

export class Connection {
  readonly endpoint: Endpoint
  readonly #settings: ConnectionSettings
  readonly #socket: Socket
  readonly #counter: RequestCounter | null
  /** Highest version of each api that the broker takes. */
  #versions = new Map<number, readonly [least: number, most: number]>()
  /** Levels of the features that the cluster has agreed on. */
  features: ReadonlyMap<string, number> = new Map()
  #pending: Pending[] = []
  #writers: WireWriter[] = []
  #correlation = 0
  #closed: AldebaranError | null = null
  /** While the connection authenticates: requests that wait until it has. */
  #held: Pending[] | null = null
  #renewal: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  /** When the timer looks for late answers. */
  #looksAt = Number.POSITIVE_INFINITY
  #answers = 0
  readonly #frames = new Frames((frame, length) => this.#answer(frame, length))
  readonly #onClose: ((error: AldebaranError) => void)[] = []

  private constructor(
    endpoint: Endpoint,
    settings: ConnectionSettings,
    counter: RequestCounter | null,
    socket: Socket,
  ) {
    this.endpoint = endpoint
    this.#settings = settings
    this.#counter = counter
    this.#socket = socket
  }

  /**
   * Connects, agrees on versions, authenticates.
   * @throws AldebaranError KAFKA_UNREACHABLE, KAFKA_AUTHENTICATION, KAFKA_UNSUPPORTED, KAFKA_PROTOCOL
   */
  static async open(
    endpoint: Endpoint,
    settings: ConnectionSettings,
    counter: RequestCounter | null = null,
  ): Promise<Connection> {
    const connection = await new Promise<Connection>((resolve, reject) => {
      let connection: Connection | null = null
      openSocket(endpoint, settings.security.tls, settings.connectTimeoutMs, {
        opened(socket) {
          connection = new Connection(endpoint, settings, counter, socket)
          connection.#listen()
          resolve(connection)
        },
        failed: reject,
        bytes(bytes, count) {
          if (connection !== null) connection.#take(bytes, count)
        },
      })
    })
    try {
      await connection.#agree()
      await connection.#authenticate()
    } catch (error) {
      connection.close()
      throw error
    }
    return connection
  }

  get closed(): boolean {
    return this.#closed !== null
  }

  /** Requests without an answer. */
  get underWay(): number {
    return this.#pending.length + (this.#held?.length ?? 0)
  }

  onClose(listener: (error: AldebaranError) => void): void {
    if (this.#closed === null) this.#onClose.push(listener)
    else listener(this.#closed)
  }

  supports(key: number, version: number): boolean {
    const known = this.#versions.get(key)
    return known !== undefined && known[0] <= version && version <= known[1]
  }

  /** Sends a request. The body is written at once, so its bytes may be used again when this returns. */
  send<Q, S>(
    api: Api<Q, S>,
    body: Q,
    done: (error: AldebaranError | null, answer: S | null) => void,
    timeoutMs = this.#settings.requestTimeoutMs,
    keeps = false,
  ): void {
    if (this.#closed !== null) {
      const error = this.#closed
      queueMicrotask(() => done(error, null))
      return
    }
    const writer = this.#writers.pop() ?? new WireWriter()
    const correlation = this.#correlation
    this.#correlation = (this.#correlation + 1) | 0
    writer.at = 4
    writer.int16(api.key)
    writer.int16(api.version)
    writer.int32(correlation)
    const { clientId } = this.#settings
    writer.int16(Buffer.byteLength(clientId))
    writer.text(clientId, Buffer.byteLength(clientId))
    if (api.flexible) writer.uvarint(0)
    api.request.write(writer, body)
    writer.bytes.writeInt32BE(writer.at - 4, 0)
    const deadline = performance.now() + timeoutMs
    const pending: Pending = {
      api: api as Api<unknown, unknown>,
      correlation,
      deadline,
      writer,
      keeps,
      done: done as Done<unknown>,
    }
    if (this.#held !== null && api.key !== saslHandshake.key && api.key !== saslAuthenticate.key) {
      this.#held.push(pending)
    } else this.#transmit(pending)
  }

  #transmit(pending: Pending): void {
    const { api, writer, deadline } = pending
    this.#counter?.countRequest(api.key)
    this.#pending.push(pending)
    this.#lookAt(deadline)
    this.#socket.write(writer.bytes.subarray(0, writer.at))
  }

  /** `send` as a promise. What the answer holds as bytes stays valid. */
  request<Q, S>(api: Api<Q, S>, body: Q, timeoutMs?: number): Promise<S> {
    return new Promise((resolve, reject) => {
      const done: Done<S> = (error, answer) => (error === null ? resolve(answer!) : reject(error))
      this.send(api, body, done, timeoutMs, true)
    })
  }

  close(): void {
    this.#fail(new AldebaranError('LOG_CLOSED', 'The connection was closed'))
  }

  async #agree(): Promise<void> {
    const answer = await this.request(
      apiVersions,
      {
        clientSoftwareName: 'aldebaran',
        clientSoftwareVersion: CLIENT_VERSION,
      },
      LOOK_MS,
    )
    if (answer.errorCode !== NONE) {
      throw new AldebaranError('KAFKA_UNSUPPORTED', `${this.#name()} refused: ${nameOfCode(answer.errorCode)}`)
    }
    this.features = answer.features
    for (const { apiKey, minVersion, maxVersion } of answer.apiKeys)
      this.#versions.set(apiKey, [minVersion, maxVersion])
  }

  /** Proves who this client is, and does so again before the broker stops believing it (KIP-368). */
  async #authenticate(): Promise<void> {
    const { sasl } = this.#settings.security
    if (sasl !== null) {
      const mechanism = await mechanismOf(sasl)
      if (this.#closed !== null) throw this.#closed
      const held: Pending[] = []
      this.#held = held
      const began = performance.now()
      const lifetimeMs = await authenticate((api, body) => this.request(api, body), mechanism)
      this.#held = null
      for (const pending of held) this.#transmit(pending)
      if (lifetimeMs > 0) this.#renewBefore(began + lifetimeMs)
    }
    this.#frames.greeted = true
  }

  #renewBefore(end: number): void {
    const left = end - performance.now()
    // Not all connections of a process at once.
    const ms = Math.max(LEAST_SESSION_MS, left * (0.75 + Math.random() * 0.1))
    this.#renewal = setTimeout(
      () => {
        this.#authenticate().catch(error => {
          // While the old proof holds, an identity provider that cannot be reached now is asked again.
          if (this.#held === null && error.fate === 'retry' && performance.now() < end) this.#renewBefore(end)
          else this.#fail(error instanceof AldebaranError ? error : authenticationFailed(messageOf(error)))
        })
      },
      Math.min(ms, LONGEST_TIMER_MS),
    )
    this.#renewal.unref()
  }

  #listen(): void {
    this.#socket.on('error', error => this.#fail(disconnected(this.endpoint, error, this.#answers === 0)))
    this.#socket.on('close', () => {
      // So does a listener that wants SASL, after all but ApiVersions.
      const stranger = this.#answers <= 1 && this.#settings.security.sasl === null
      const hint = stranger ? ' before it answered: this listener may want TLS or SASL' : ''
      this.#fail(disconnected(this.endpoint, new Error(`the connection was closed${hint}`), false))
    })
  }

  /** Bytes from the socket. */
  #take(bytes: Buffer, count: number): void {
    try {
      if (this.#closed === null) this.#frames.take(bytes, count)
    } catch (error) {
      const { host, port } = this.endpoint
      const text = `broker ${host}:${port}: ${messageOf(error)}`
      this.#fail(new AldebaranError('KAFKA_PROTOCOL', text, { host, port }, error))
    }
  }

  #answer(frame: Buffer, length: number): void {
    // The call for the frame before may have closed the connection.
    if (this.#closed !== null) return
    const reader = new WireReader(frame, 0, length)
    const pending = this.#pending[0]
    if (pending === undefined) throw malformed('an answer to nothing')
    const correlation = reader.int32()
    if (correlation !== pending.correlation)
      throw malformed(`answer ${correlation} where ${pending.correlation} is due`)
    const { api } = pending
    // Of ApiVersions even a broker that does not know the version can be understood.
    if (api.flexible && api.key !== apiVersions.key) skipTags(reader)
    const answer = api.response.read(reader)
    this.#answers++
    this.#pending.shift()
    if (pending.keeps) this.#frames.keep()
    this.#keep(pending.writer)
    try {
      pending.done(null, answer)
    } catch (error) {
      this.#fail(this.#defect(error, api.key))
    }
  }

  #defect(error: unknown, api: number): AldebaranError {
    if (error instanceof AldebaranError) return error
    const { host, port } = this.endpoint
    const text = `an answer of broker ${host}:${port} could not be processed: ${messageOf(error)}`
    return new AldebaranError('INTERNAL', text, { host, port, api }, error)
  }

  #keep(writer: WireWriter): void {
    if (this.#writers.length < SPARE_WRITERS && writer.bytes.length <= LARGEST_KEPT) this.#writers.push(writer)
  }

  /** Sees to it that somebody looks at the clock by then. */
  #lookAt(deadline: number): void {
    if (deadline >= this.#looksAt) return
    this.#looksAt = deadline
    clearTimeout(this.#timer)
    const ms = Math.min(LONGEST_TIMER_MS, Math.max(1, deadline - performance.now()))
    this.#timer = setTimeout(() => this.#look(false), ms)
    this.#timer.unref()
  }

  /** @param again what the socket held has been taken since */
  #look(again: boolean): void {
    this.#looksAt = Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    for (const { deadline } of this.#pending) next = Math.min(next, deadline)
    if (next > performance.now()) this.#lookAt(next)
    else if (again) this.#fail(disconnected(this.endpoint, new Error('no answer in time'), false))
    // This thread may have been busy: the answer may be there already.
    else setImmediate(() => this.#look(true))
  }

  #fail(error: AldebaranError): void {
    if (this.#closed !== null) return
    this.#closed = error
    clearTimeout(this.#timer)
    clearTimeout(this.#renewal)
    this.#socket.destroy()
    const failed = [...this.#pending, ...(this.#held ?? [])]
    this.#pending = []
    this.#held = null
    this.#writers = []
    for (const { done } of failed) done(error, null)
    for (const listener of this.#onClose) listener(error)
  }

  #name(): string {
    return `${this.endpoint.host}:${this.endpoint.port}`
  }
}
