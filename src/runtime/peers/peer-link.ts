/**
 * A peer as this node sees it: dials it, watches it, asks it.
 *
 * Every node dials those it knows and trusts only what it sees on its own connections; so a pair has one in each
 * direction, and neither needs to agree with the other on who watches whom.
 */
import { connect as connectTcp } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { deserialize } from 'node:v8'
import { AldebaranError, messageOf } from '../../errors.ts'
import type { Clock } from '../../time/clock.ts'
import { Channel } from './channel.ts'
import { type Frame, LARGEST_FRAME, PROTOCOL } from './frames.ts'
import { type Endpoint, nameOfEndpoint, type PeerInfo, type PeerView } from './peer-info.ts'
import { type EndKind, type PeerTiming, PeerWatch } from './peer-watch.ts'
import { isChallenge, newChallenge, prove, proves } from './proof.ts'

export interface LinkSettings extends PeerTiming {
  /** '': none is needed. */
  readonly secret: string
  readonly tls: ConnectionOptions | null
  readonly clock: Clock
  readonly own: () => { node: string; endpoint: Endpoint }
  /** It said hello, or told something new of itself. */
  readonly onHello: (link: PeerLink, info: PeerInfo) => void
  readonly onChange: (info: PeerInfo) => void
  readonly onDead: (info: PeerInfo, why: string) => void
  /** There is a new reason why it is not alive. */
  readonly onProblem: (link: PeerLink, problem: string) => void
}

interface Asked {
  resolve: (answer: unknown) => void
  reject: (error: AldebaranError) => void
  timer: NodeJS.Timeout
}

export class PeerLink {
  readonly endpoint: Endpoint
  readonly watch: PeerWatch
  info: PeerInfo | null = null
  readonly #settings: LinkSettings
  #channel: Channel | null = null
  #challenge = ''
  /** What the peer has to say next. */
  #awaits: 'challenge' | 'welcome' | 'anything' = 'challenge'
  #problem: string | null = null
  #pingedAt = Number.NEGATIVE_INFINITY
  #roundTripMs: number | null = null
  #asked = new Map<number, Asked>()
  #nextId = 0
  #timer: NodeJS.Timeout | null = null

  constructor(endpoint: Endpoint, settings: LinkSettings) {
    this.endpoint = endpoint
    this.#settings = settings
    this.watch = new PeerWatch(settings, settings.clock.monotonic())
  }

  get view(): PeerView {
    const { heardAt, state } = this.watch
    return {
      node: this.info?.node ?? null,
      endpoint: this.endpoint,
      state,
      heardMsAgo: heardAt === Number.NEGATIVE_INFINITY ? null : this.#now() - heardAt,
      roundTripMs: this.#roundTripMs,
      info: this.info,
      problem: this.#problem,
    }
  }

  /** Does what is due now. */
  tick(): void {
    const now = this.#now()
    for (let due = this.watch.due(now); due !== null; due = this.watch.due(now)) {
      if (due === 'dial') {
        this.#dial()
        continue
      }
      const { deadMs } = this.#settings
      const before = this.#problem
      const problem = due === 'dead' ? `no hello for ${deadMs} ms after: ${before}` : `nothing came for ${deadMs} ms`
      this.#hangUp(problem)
      this.#tellProblem(problem)
      if (due === 'dead') this.#bury(problem)
    }
    if (this.watch.state === 'alive' && now - this.#pingedAt >= this.#settings.pingMs) this.#ping(now)
  }

  /** @throws AldebaranError BUSY: it cannot be asked now, or did not answer in time; or what the peer failed with. */
  ask(question: Uint8Array, timeoutMs: number): Promise<unknown> {
    const channel = this.#channel
    if (this.watch.state !== 'alive' || channel === null)
      return Promise.reject(this.#unreachable('it is not reached now'))
    if (question.length > LARGEST_FRAME / 2) {
      return Promise.reject(new AldebaranError('BODY_TOO_LARGE', `a question of ${question.length} bytes to a node`))
    }
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id)
        reject(this.#unreachable(`it did not answer in ${timeoutMs} ms`))
      }, timeoutMs)
      this.#asked.set(id, { resolve, reject, timer })
      channel.send({ kind: 'ask', id }, question)
    })
  }

  tell(message: Uint8Array): void {
    if (this.watch.state === 'alive') this.#channel?.send({ kind: 'tell' }, message)
  }

  /** It was seen alive by another way. */
  sign(): void {
    this.watch.sign(this.#now())
    this.tick()
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#hangUp('this node left')
  }

  #dial(): void {
    const { clock, tls } = this.#settings
    const { host, port } = this.endpoint
    this.watch.dialled(clock.monotonic())
    this.#awaits = 'challenge'
    const socket = tls === null ? connectTcp({ host, port }) : connectTls({ host, port, ...tls })
    const channel = new Channel(socket, {
      heard: () => {
        if (this.#awaits === 'anything') this.watch.heard(this.#now())
      },
      frame: (frame, bytes) => this.#take(frame, bytes),
      ended: (kind, reason) => this.#end(kind, reason),
    })
    this.#channel = channel
    this.#challenge = newChallenge()
    channel.send({ kind: 'hello', protocol: PROTOCOL, challenge: this.#challenge })
  }

  #take(frame: Frame, bytes: Buffer): string | null {
    if (this.#awaits !== 'anything') {
      if (frame.kind !== this.#awaits) return `a ${frame.kind} before the ${this.#awaits}`
      return frame.kind === 'challenge' ? this.#prove(frame.challenge, frame.proof) : this.#greet(frame.info)
    }
    switch (frame.kind) {
      case 'pong':
        this.#roundTripMs = this.#now() - frame.at
        return null
      case 'info':
        if (frame.info.node !== this.info?.node) return 'one node in the name of another'
        this.info = frame.info
        this.#settings.onChange(frame.info)
        return null
      case 'answer':
        this.#answer(frame.id, bytes)
        return null
      case 'problem':
        this.#settle(frame.id)?.reject(new AldebaranError(frame.code, frame.message, frame.details))
        return null
      case 'goodbye':
        this.watch.left(this.#now())
        this.#problem = 'it left'
        this.#hangUp('it left')
        return null
      default:
        return `a ${frame.kind} from the one that was dialled`
    }
  }

  #prove(listener: string, proof: string): string | null {
    const { secret, own } = this.#settings
    const challenges = { dialler: this.#challenge, listener }
    if (!isChallenge(listener)) return 'a challenge that is none'
    if (!proves(proof, secret, 'listener', challenges)) return 'the secrets differ'
    this.#awaits = 'welcome'
    this.#channel!.trust()
    this.#channel!.send({ kind: 'proof', proof: prove(secret, 'dialler', challenges), ...own() })
    return null
  }

  #greet(info: PeerInfo): string | null {
    const { own, onDead, onHello } = this.#settings
    if (info.node === own().node) return 'it is this node itself'
    const before = this.info
    // Of one that left, or was told to be dead, nothing more is to be said.
    const replaced = before !== null && before.node !== info.node && this.watch.state === 'suspect'
    this.info = info
    this.#awaits = 'anything'
    this.#problem = null
    this.watch.greeted(this.#now())
    if (replaced) onDead(before, `${info.node} took its place`)
    onHello(this, info)
    this.#ping(this.#now())
    return null
  }

  #ping(now: number): void {
    this.#pingedAt = now
    this.#channel?.send({ kind: 'ping', at: now })
  }

  #answer(id: number, bytes: Buffer): void {
    const asked = this.#settle(id)
    if (asked === undefined) return
    try {
      asked.resolve(deserialize(bytes))
    } catch (error) {
      asked.reject(new AldebaranError('INTERNAL', `what ${this.#name()} answered cannot be read: ${messageOf(error)}`))
    }
  }

  /** Undefined: it came too late. */
  #settle(id: number): Asked | undefined {
    const asked = this.#asked.get(id)
    if (asked === undefined) return undefined
    clearTimeout(asked.timer)
    this.#asked.delete(id)
    return asked
  }

  #end(kind: EndKind, reason: string): void {
    const dead = this.watch.ended(this.#now(), kind)
    this.#hangUp(reason)
    this.#tellProblem(reason)
    if (dead) this.#bury(reason)
    else this.#redial()
  }

  /** A suspect is dialled as soon as it may be: ticks are too far apart for that. */
  #redial(): void {
    const ms = this.watch.redialIn(this.#now())
    if (ms === null) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    // A timer may come a little before its time.
    if (ms <= 0) this.tick()
    else this.#timer = setTimeout(() => this.tick(), ms + 1)
  }

  #bury(why: string): void {
    if (this.info !== null) this.#settings.onDead(this.info, why)
  }

  #tellProblem(problem: string): void {
    if (problem === this.#problem) return
    this.#problem = problem
    this.#settings.onProblem(this, problem)
  }

  #hangUp(reason: string): void {
    this.#channel?.destroy()
    this.#channel = null
    const asked = this.#asked
    this.#asked = new Map()
    for (const { reject, timer } of asked.values()) {
      clearTimeout(timer)
      reject(this.#unreachable(reason))
    }
  }

  #unreachable(reason: string): AldebaranError {
    return new AldebaranError('BUSY', `node ${this.#name()}: ${reason}`, {
      node: this.info?.node ?? null,
      ...this.endpoint,
    })
  }

  #name(): string {
    return this.info?.node ?? nameOfEndpoint(this.endpoint)
  }

  #now(): number {
    return this.#settings.clock.monotonic()
  }
}
