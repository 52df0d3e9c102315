/**
 * What stands between nodes and brokers: a TCP proxy before each broker, which tells nodes apart by the client id in
 * their first request, and can lose, delay and cut what one of them sends and is sent, or see it take one step of a
 * commit.
 *
 * 1. Bytes that were swallowed are never followed by others: what was cut is closed when it heals.
 * 2. What is delayed keeps its order.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Requests of a commit, with their keys in Kafka's protocol. */
export const STEPS = { produce: 0, offsets: 28, end: 26 } as const
export type Step = keyof typeof STEPS

/**
 * `request`: the broker never gets it. `answer`: the broker does what it asks, and the node does not hear of it.
 */
export type Moment = 'request' | 'answer'

interface Trap {
  readonly node: string
  readonly key: number
  readonly moment: Moment
  readonly caught: () => void
}

interface Weather {
  /** Everything is swallowed, and nothing is connected. */
  cut: boolean
  delayMs: number
}

const FAIR: Weather = { cut: false, delayMs: 0 }
const LENGTH = 4
/** Where the length of the client id lies in a request: after its length, key, version and correlation id. */
const CLIENT_ID = 12
const CLIENT_PREFIX = 'aldebaran-audit.'

export class ClusterProxy {
  readonly #servers: Server[] = []
  readonly #links = new Set<Link>()
  readonly #weather = new Map<string, Weather>()
  #traps: Trap[] = []

  /** Begins to stand before the broker at the port; returns the port that clients are to connect to. */
  async before(port: number): Promise<number> {
    const server = createServer(client => {
      const link = new Link(this, client, connect(port, '127.0.0.1'))
      this.#links.add(link)
      client.once('close', () => this.#links.delete(link))
    })
    this.#servers.push(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return (server.address() as AddressInfo).port
  }

  /** Swallows all that a node sends and is sent, until `heal`: neither side is told. */
  cut(node: string): void {
    this.#weather.set(node, { cut: true, delayMs: 0 })
  }

  /** Everything takes so much longer each way. */
  delay(node: string, delayMs: number): void {
    this.#weather.set(node, { cut: false, delayMs })
  }

  heal(node: string): void {
    const wasCut = this.weather(node).cut
    this.#weather.delete(node)
    if (wasCut) this.reset(node)
  }

  /** Closes the connections of a node. */
  reset(node: string): void {
    for (const link of [...this.#links]) if (link.node === node) link.end()
  }

  /** Calls `caught` when the node takes the step next time, and closes that connection. */
  trap(node: string, step: Step, moment: Moment, caught: () => void): void {
    this.#traps.push({ node, key: STEPS[step], moment, caught })
  }

  /** Nothing is waited for any more. */
  release(): void {
    this.#traps = []
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.close()
    for (const link of [...this.#links]) link.end()
    await Promise.all(this.#servers.map(server => once(server, 'close')))
  }

  // For links

  weather(node: string): Weather {
    return this.#weather.get(node) ?? FAIR
  }

  /** True when it was waited for. */
  springs(node: string, key: number, moment: Moment): boolean {
    const trap = this.#traps.find(one => one.node === node && one.key === key && one.moment === moment)
    if (trap === undefined) return false
    this.#traps.splice(this.#traps.indexOf(trap), 1)
    trap.caught()
    return true
  }
}

/** One connection. */
class Link {
  node = ''
  readonly #proxy: ClusterProxy
  readonly #client: Socket
  readonly #broker: Socket
  /** Keys of the requests without an answer: answers come in their order. */
  readonly #asked: number[] = []
  /** When what was sent last to each side is due, and what waits, the oldest first. */
  readonly #dues = new Map<Socket, number>()
  readonly #later: { at: number; frame: Buffer; to: Socket }[] = []

  constructor(proxy: ClusterProxy, client: Socket, broker: Socket) {
    this.#proxy = proxy
    this.#client = client
    this.#broker = broker
    const requests = new Frames(frame => this.#request(frame))
    const answers = new Frames(frame => this.#answer(frame))
    this.#carry(client, requests)
    this.#carry(broker, answers)
  }

  end(): void {
    this.#client.destroy()
    this.#broker.destroy()
  }

  #carry(from: Socket, frames: Frames): void {
    from.setNoDelay(true)
    from.on('error', () => this.end())
    from.on('close', () => this.end())
    from.on('data', (bytes: Buffer) => frames.take(bytes))
  }

  #request(frame: Buffer): void {
    const key = frame.readInt16BE(LENGTH)
    if (this.node === '') this.node = nodeOf(frame)
    if (this.#proxy.springs(this.node, key, 'request')) {
      this.end()
      return
    }
    this.#asked.push(key)
    this.#pass(frame, this.#broker)
  }

  #answer(frame: Buffer): void {
    const key = this.#asked.shift()!
    if (this.#proxy.springs(this.node, key, 'answer')) this.end()
    else this.#pass(frame, this.#client)
  }

  #pass(frame: Buffer, to: Socket): void {
    const { cut, delayMs } = this.#proxy.weather(this.node)
    if (cut) return
    const due = this.#dues.get(to) ?? 0
    const now = performance.now()
    if (delayMs === 0 && due <= now) {
      to.write(frame)
      return
    }
    const at = Math.max(due, now + delayMs)
    this.#dues.set(to, at)
    this.#later.push({ at, frame, to })
    if (this.#later.length === 1) this.#wait()
  }

  #wait(): void {
    const { at } = this.#later[0]!
    setTimeout(
      () => {
        while (this.#later.length > 0 && this.#later[0]!.at <= performance.now()) {
          const { frame, to } = this.#later.shift()!
          to.write(frame)
        }
        if (this.#later.length > 0) this.#wait()
      },
      Math.max(1, at - performance.now()),
    )
  }
}

/** Cuts a stream into requests or answers. */
class Frames {
  #rest: Buffer = Buffer.alloc(0)
  readonly #found: (frame: Buffer) => void

  constructor(found: (frame: Buffer) => void) {
    this.#found = found
  }

  take(bytes: Buffer): void {
    let all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    while (all.length >= LENGTH) {
      const length = LENGTH + all.readInt32BE(0)
      if (all.length < length) break
      this.#found(all.subarray(0, length))
      all = all.subarray(length)
    }
    this.#rest = all
  }
}

/** Client ids are `aldebaran-APPLICATION.NODE`. */
function nodeOf(request: Buffer): string {
  const length = request.readInt16BE(CLIENT_ID)
  const id = request.toString('utf8', CLIENT_ID + 2, CLIENT_ID + 2 + Math.max(0, length))
  return id.startsWith(CLIENT_PREFIX) ? id.slice(CLIENT_PREFIX.length) : id
}
