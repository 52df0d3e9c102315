/**
 * Listens for the other nodes.
 *
 * Whoever reaches it could ask for rows and end the work of others; so beyond loopback it wants a secret, and to one
 * that does not prove to know it nothing is told.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { AldebaranError, messageOf } from '../../errors.ts'
import type { Clock } from '../../time/clock.ts'
import type { Report } from '../worker-host.ts'
import type { Frame } from './frames.ts'
import { PeerVisitor, type VisitorSettings } from './peer-visitor.ts'

export interface ServerSettings extends VisitorSettings {
  readonly host: string
  readonly port: number
  readonly tls: TlsOptions | null
  readonly clock: Clock
  /** One that does not prove itself in this time, ms, is sent away; one that does not ping for ten times that too. */
  readonly patienceMs: number
  readonly report: Report
}

/** Connections at once, also of strangers. */
const MOST_VISITORS = 2000
const SHORTEST_SECRET = 16
/** Longest silence of a visitor, in patience. It may be stopped, and go on. */
const PATIENCE_WITH_KNOWN = 10

export class PeerServer {
  readonly #settings: ServerSettings
  readonly #server: Server
  readonly #visitors = new Set<PeerVisitor>()
  /** Theirs, and those that are no visitors yet or not any more. */
  readonly #sockets = new Set<Socket>()
  #lastRefusal = ''

  /** @throws AldebaranError CREDENTIALS_NEEDED: it could be reached from elsewhere, and there is no secret. */
  constructor(settings: ServerSettings) {
    const { host, secret, tls } = settings
    if (secret === '' && !isLoopback(host)) {
      throw new AldebaranError(
        'CREDENTIALS_NEEDED',
        `${host} can be reached from elsewhere, and nodes have no secret`,
        {
          host,
        },
      )
    }
    if (secret !== '' && secret.length < SHORTEST_SECRET) {
      throw new AldebaranError('OPTION_INVALID', `secret: it has at least ${SHORTEST_SECRET} characters`, {
        option: 'secret',
      })
    }
    this.#settings = settings
    const visit = (socket: Socket): void => this.#visit(socket)
    this.#server =
      tls === null ? createTcpServer(visit) : createTlsServer({ handshakeTimeout: settings.patienceMs, ...tls }, visit)
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#server.maxConnections = MOST_VISITORS
  }

  /** Resolves with the port. @throws AldebaranError OPTION_INVALID: it cannot listen there. */
  listen(): Promise<number> {
    const { host, port } = this.#settings
    return new Promise((resolve, reject) => {
      this.#server.once('error', error => {
        const message = `nodes: cannot listen on ${host}:${port}: ${messageOf(error)}`
        reject(new AldebaranError('OPTION_INVALID', message, { host, port }, error))
      })
      this.#server.listen({ host, port }, () => {
        const address = this.#server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : port)
      })
    })
  }

  /** To all that visit. */
  send(frame: Frame): void {
    for (const visitor of this.#visitors) visitor.send(frame)
  }

  /** Sends away who says nothing. `excusedMs`: how long nobody could be heard here. */
  tick(excusedMs: number): void {
    const { clock, patienceMs } = this.#settings
    const now = clock.monotonic()
    for (const visitor of this.#visitors) {
      visitor.heardAt += excusedMs
      const patience = visitor.node === null ? patienceMs : patienceMs * PATIENCE_WITH_KNOWN
      if (now - visitor.heardAt >= patience) visitor.refuse(`nothing came for ${patience} ms`)
    }
  }

  /** Says goodbye to all. */
  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    await Promise.all([...this.#visitors].map(visitor => visitor.leave()))
    this.#visitors.clear()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #visit(socket: Socket): void {
    const { clock, report } = this.#settings
    const from = socket.remoteAddress ?? null
    const visitor: PeerVisitor = new PeerVisitor(
      socket,
      this.#settings,
      () => clock.monotonic(),
      (refused, reason) => {
        this.#visitors.delete(visitor)
        const refusal = `${from} ${reason}`
        // One that tries again and again is told of once.
        if (!refused || refusal === this.#lastRefusal) return
        this.#lastRefusal = refusal
        report('warn', 'a connection of another node was refused', { node: visitor.node, from, reason })
      },
    )
    this.#visitors.add(visitor)
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}
