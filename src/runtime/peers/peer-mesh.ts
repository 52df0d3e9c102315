/**
 * Nodes that know each other: who is alive, questions to the one that has the answer, messages to all.
 *
 * That a peer is dead is a guess, made as early as can be: whoever acts on it must be safe when it is wrong. A node that
 * was thought dead and lives is told so: `onBuried`.
 */
import type { ConnectionOptions, TlsOptions } from 'node:tls'
import { serialize } from 'node:v8'
import { AldebaranError } from '../../errors.ts'
import { type Clock, systemClock } from '../../time/clock.ts'
import type { Report } from '../worker-host.ts'
import { type Endpoint, isRecord, nameOfEndpoint, type PeerInfo, type PeerView } from './peer-info.ts'
import { type LinkSettings, PeerLink } from './peer-link.ts'
import { PeerServer } from './peer-server.ts'
import { OwnLag, TICKS_A_PING } from './peer-watch.ts'

export interface MeshSettings {
  /** Where to listen. Default 127.0.0.1; anything but loopback needs a secret. */
  host?: string
  /** Default 0: any free port. */
  port?: number
  /** Where the others reach this node, when that is not where it listens. */
  advertised?: { host: string; port?: number }
  /** All nodes have the same, of 16 characters or more. Null: none, on loopback. */
  secret: string | null
  /** For Node's `tls.createServer` and `tls.connect`. Default: no TLS. */
  tls?: { server: TlsOptions; client: ConnectionOptions }
  /** What this node tells of itself. Its `node` never changes; call `changed` when something else did. */
  info: () => PeerInfo
  /** Answers questions of others. Both may be what `structuredClone` takes. */
  answer: (question: unknown) => Promise<unknown>
  /** Called once for each time the peer was alive. */
  onDead: (peer: PeerInfo, why: string) => void
  /** A peer is alive, perhaps again, or told something new of itself. */
  onPeer?: (peer: PeerInfo) => void
  /** Somebody told all. Not called for what `onBuried` is. */
  onMessage?: (message: unknown, node: string) => void
  /** Others took over what this node had. May be called by each of them. */
  onBuried?: (by: string) => void
  /** Default 100. */
  pingMs?: number
  /** Default 400. */
  deadMs?: number
  clock?: Clock
  report?: Report
}

/** Nodes that this one buried and that may still not know it: the latest so many. */
const MOST_BURIED = 1000

export class PeerMesh {
  readonly #settings: MeshSettings
  readonly #clock: Clock
  readonly #links = new Map<string, PeerLink>()
  readonly #linkSettings: LinkSettings
  readonly #server: PeerServer
  readonly #buried = new Set<string>()
  readonly #tickMs: number
  #endpoint: Endpoint | null = null
  #timer: NodeJS.Timeout | null = null
  #closed: Promise<void> | null = null

  /** @throws AldebaranError CREDENTIALS_NEEDED, OPTION_INVALID */
  constructor(settings: MeshSettings) {
    const { secret, info, answer, tls, clock = systemClock, report = () => {} } = settings
    const { host = '127.0.0.1', port = 0, pingMs = 100, deadMs = 400 } = settings
    if (!(pingMs >= 1) || !(deadMs > pingMs)) {
      throw new AldebaranError('OPTION_INVALID', `pingMs ${pingMs}, deadMs ${deadMs}: some pings fit into deadMs`)
    }
    if (isWildcard(host) && settings.advertised === undefined) {
      throw new AldebaranError('OPTION_INVALID', `advertised: nobody can reach ${host}; name this node's address`)
    }
    this.#settings = settings
    this.#clock = clock
    this.#tickMs = pingMs / TICKS_A_PING
    this.#server = new PeerServer({
      host,
      port,
      secret: secret ?? '',
      tls: tls?.server ?? null,
      clock,
      patienceMs: Math.max(1000, deadMs),
      report,
      info,
      answer,
      onVisit: endpoint => this.#links.get(nameOfEndpoint(endpoint))?.sign(),
      onMessage: (message, node) => this.#hear(message, node),
    })
    this.#linkSettings = {
      pingMs,
      deadMs,
      secret: secret ?? '',
      tls: tls?.client ?? null,
      clock,
      own: () => ({ node: info().node, endpoint: this.#endpoint! }),
      onHello: (link, peer) => this.#greet(link, peer),
      onChange: peer => settings.onPeer?.(peer),
      onDead: (peer, why) => {
        report('warn', 'a node is dead, it seems', { node: peer.node, why })
        settings.onDead(peer, why)
      },
      onProblem: ({ endpoint, info: peer }, problem) =>
        report('info', 'another node is not reached', { node: peer?.node ?? null, ...endpoint, problem }),
    }
  }

  /** Resolves with where the others reach this node. @throws AldebaranError OPTION_INVALID */
  async listen(): Promise<Endpoint> {
    const { advertised, host = '127.0.0.1' } = this.#settings
    const port = await this.#server.listen()
    this.#endpoint = { host: advertised?.host ?? host, port: advertised?.port ?? port }
    // What is late by no more than a tick is how timers are.
    const lag = new OwnLag(this.#tickMs, this.#tickMs, this.#clock.monotonic())
    this.#timer = setInterval(() => this.#tick(lag.tick(this.#clock.monotonic())), this.#tickMs)
    return this.#endpoint
  }

  /** The nodes there are; this one may be among them. Those not named any more are forgotten. Call `listen` first. */
  setPeers(endpoints: readonly Endpoint[]): void {
    if (this.#endpoint === null || this.#closed !== null) return
    const wanted = new Map(endpoints.map(endpoint => [nameOfEndpoint(endpoint), endpoint]))
    wanted.delete(nameOfEndpoint(this.#endpoint))
    for (const [name, link] of this.#links) {
      if (wanted.has(name)) continue
      this.#links.delete(name)
      link.close()
    }
    for (const [name, endpoint] of wanted) {
      if (this.#links.has(name)) continue
      const link = new PeerLink(endpoint, this.#linkSettings)
      this.#links.set(name, link)
      link.tick()
    }
  }

  /**
   * Asks one node, by its name or its endpoint.
   * @throws AldebaranError BUSY: it cannot be asked now, or did not answer in time; or what its `answer` threw.
   */
  async ask(target: Endpoint | string, question: unknown, timeoutMs: number): Promise<unknown> {
    const link =
      typeof target === 'string'
        ? [...this.#links.values()].find(({ info }) => info?.node === target)
        : this.#links.get(nameOfEndpoint(target))
    if (link !== undefined) return await link.ask(serialize(question), timeoutMs)
    const name = typeof target === 'string' ? target : nameOfEndpoint(target)
    throw new AldebaranError('BUSY', `node ${name} is not known (any more)`, { node: name })
  }

  /** Tells all that are alive. What is told of one that was buried reaches that one too, as soon as it lives again. */
  tell(message: unknown): void {
    const buried = buriedIn(message)
    const bytes = serialize(message)
    let told = false
    for (const link of this.#links.values()) {
      link.tell(bytes)
      told ||= link.watch.state === 'alive' && link.info?.node === buried
    }
    if (buried === null || told) return
    this.#buried.add(buried)
    if (this.#buried.size > MOST_BURIED) this.#buried.delete(this.#buried.values().next().value!)
  }

  /** What `info` answers has changed: the others are told. */
  changed(): void {
    this.#server.send({ kind: 'info', info: this.#settings.info() })
  }

  peers(): PeerView[] {
    return [...this.#links.values()].map(link => link.view)
  }

  /** Says goodbye. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
    await this.#server.close()
  }

  #tick(lateMs: number): void {
    this.#server.tick(lateMs)
    for (const link of this.#links.values()) {
      if (lateMs > 0) link.watch.excuse(lateMs)
      link.tick()
    }
  }

  #greet(link: PeerLink, peer: PeerInfo): void {
    if (this.#buried.delete(peer.node)) link.tell(serialize({ buried: peer.node }))
    this.#settings.onPeer?.(peer)
  }

  #hear(message: unknown, node: string): void {
    if (buriedIn(message) === this.#settings.info().node) this.#settings.onBuried?.(node)
    else this.#settings.onMessage?.(message, node)
  }
}

/** The node of a message that says that it was buried; null: it says something else. */
function buriedIn(message: unknown): string | null {
  return isRecord(message) && typeof message.buried === 'string' ? message.buried : null
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
