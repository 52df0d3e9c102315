/**
 * Sends requests to where others said they want them: one POST each, over connections that are kept, to addresses that
 * are checked.
 *
 * Invariants
 * 1. `post` never rejects: what went wrong is in the outcome, with how far it came.
 * 2. Nothing is sent that the rules forbid, and no redirect is followed: a receiver cannot send us elsewhere.
 * 3. One request costs a bounded time and a bounded memory, whatever the receiver does.
 */
import { AldebaranError, messageOf } from '../../errors.ts'
import { parseDuration, parseSize } from '../../pipeline/units.ts'
import { Addresses, type AddressRules, type CheckedUrl } from './addresses.ts'
import { TlsIdentity, type TlsSettings } from './connector.ts'
import { type BodyLimits, Exchange } from './exchange.ts'
import { headerProblem } from './header-pairs.ts'
import { HostResolver, type NameService } from './host-resolver.ts'
import { type OriginPool, OriginPools } from './origin-pools.ts'
import type { FailureReason, FailureStage, PostOutcome, PostRequest } from './post.ts'

export interface HttpSenderSettings {
  /** Where it may be sent to. Default: public addresses, by https. */
  addresses?: AddressRules
  /** Who says what address a host has. Default 'servers': the configured ones of this machine, asked directly. */
  names?: NameService
  /** For destinations without their own. Default: the authorities of Node, no certificate of this client. */
  tls?: TlsSettings
  /** From the call to the end of the response, if the request does not say. Default '30s'. */
  timeout?: string | number
  /** Until a connection is there, with TLS. Default '10s'. */
  connectTimeout?: string | number
  /** A connection without a request is closed after. Default '4s': many servers close theirs after 5. */
  keepAlive?: string | number
  /** Connections of one origin. Default 256. */
  connections?: number
  /** Origins whose connections are kept. Default 1024. */
  origins?: number
  /** What is kept of a response's body. Default '64kB'. */
  keptBody?: string | number
  /** Behind so much of a body the connection is cut. Default '1MB'. */
  drainedBody?: string | number
}

interface Target extends CheckedUrl {
  pool: OriginPool
}

/** Pools without a request are closed after, ms. */
const IDLE_MS = 60_000
/** Addresses that are remembered as checked. */
const MOST_TARGETS = 10_000

export class HttpSender {
  readonly #addresses: Addresses
  readonly #resolver: HostResolver
  readonly #pools: OriginPools
  readonly #limits: BodyLimits
  readonly #timeoutMs: number
  /** By address; with an identity of its own, its number is before it. */
  readonly #targets = new Map<string, Target>()
  /** Made when it is needed first: reading all authorities takes its time. */
  #identity: TlsIdentity | null
  #isClosed = false

  /** @throws AldebaranError OPTION_INVALID */
  constructor(settings: HttpSenderSettings = {}) {
    this.#addresses = new Addresses(settings.addresses)
    this.#resolver = new HostResolver(settings.names ?? 'servers')
    this.#identity = settings.tls === undefined ? null : new TlsIdentity(settings.tls)
    this.#timeoutMs = durationOf(settings.timeout ?? '30s', 'timeout')
    const kept = parseSize(settings.keptBody ?? '64kB', 'keptBody')
    this.#limits = { kept, drained: Math.max(kept, parseSize(settings.drainedBody ?? '1MB', 'drainedBody')) }
    this.#pools = new OriginPools({
      addresses: this.#addresses,
      resolver: this.#resolver,
      connections: countOf(settings.connections ?? 256, 'connections'),
      connectMs: durationOf(settings.connectTimeout ?? '10s', 'connectTimeout'),
      keepAliveMs: durationOf(settings.keepAlive ?? '4s', 'keepAlive'),
      idleMs: IDLE_MS,
      most: countOf(settings.origins ?? 1024, 'origins'),
    })
  }

  /** Origins that have a pool of connections now. */
  get origins(): number {
    return this.#pools.size
  }

  /**
   * Whether an address may be sent to, as far as that can be said before its host is looked up: for those who are asked
   * to keep one.
   * @throws AldebaranError ADDRESS_REFUSED
   */
  check(url: string): void {
    this.#addresses.check(url)
  }

  post(request: PostRequest): Promise<PostOutcome> {
    const { url, headers, identity, signal } = request
    const problem = headerProblem(headers)
    if (problem !== null) return notSent('refused', 'header', problem)
    if (this.#isClosed) return notSent('unsent', 'closed', 'the sender is closed')
    if (signal?.aborted === true) return notSent('unsent', 'aborted', 'it was aborted')
    let target = this.#targets.get(identity === undefined ? url : `${identity.number} ${url}`)
    if (target === undefined || target.pool.isClosed) {
      try {
        target = this.#prepare(url, identity)
      } catch (error) {
        return notSent('refused', 'address', messageOf(error))
      }
    }
    return this.#dispatch(target, request)
  }

  /** What is under way fails, and nothing is sent any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#targets.clear()
    this.#resolver.close()
    await this.#pools.close()
  }

  #dispatch(target: Target, { headers, body, timeout, signal }: PostRequest): Promise<PostOutcome> {
    const { pool, path } = target
    const { promise, resolve } = Promise.withResolvers<PostOutcome>()
    pool.underWay++
    const now = performance.now()
    const exchange = new Exchange(resolve, pool, this.#limits, timeout ?? this.#timeoutMs, signal, now)
    pool.pool.dispatch({ path, method: 'POST', headers: headers as string[], body }, exchange)
    return promise
  }

  #prepare(url: string, identity: TlsIdentity | undefined): Target {
    const checked = this.#addresses.check(url)
    const isSecure = checked.origin.startsWith('https:')
    if (isSecure && identity === undefined) this.#identity ??= new TlsIdentity({})
    const pool = this.#pools.take(checked.origin, isSecure ? (identity ?? this.#identity) : null)
    const target = { ...checked, pool }
    if (this.#targets.size >= MOST_TARGETS) this.#targets.delete(this.#targets.keys().next().value!)
    this.#targets.set(identity === undefined ? url : `${identity.number} ${url}`, target)
    return target
  }
}

function notSent(stage: FailureStage, reason: FailureReason, message: string): Promise<PostOutcome> {
  return Promise.resolve({
    status: 0,
    retryAfter: '',
    contentType: '',
    body: '',
    isCut: false,
    sentMs: -1,
    firstByteMs: -1,
    totalMs: 0,
    failure: { stage, reason, message },
  })
}

function durationOf(text: string | number, option: string): number {
  const ms = parseDuration(text, option)
  // The longest that a timer can wait.
  if (ms >= 1 && ms < 2 ** 31) return ms
  throw new AldebaranError('OPTION_INVALID', `${option}: '${text}' is not between 1 ms and 24 days`, { option })
}

function countOf(count: number, option: string): number {
  if (Number.isInteger(count) && count > 0) return count
  throw new AldebaranError('OPTION_INVALID', `${option}: ${count} is not a whole number from 1`, { option })
}
