import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Endpoint } from '../peer-info.ts'

/** Passes bytes on between a node and whoever dials it, until it is told not to: then it holds them back. */
export class Wire {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** All that was passed on. */
  passed = ''
  /** Where the next connections go. */
  target: Endpoint
  #holds = false

  private constructor(target: Endpoint) {
    this.target = target
    this.#server = createServer(from => {
      const to = connect(this.target)
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(one)
        one.on('data', bytes => {
          if (this.#holds) return
          this.passed += bytes.toString('latin1')
          other.write(bytes)
        })
        one.on('error', () => {})
        one.on('close', () => {
          this.#sockets.delete(one)
          if (!this.#holds) other.destroy()
        })
      }
    })
  }

  static async start(target: Endpoint): Promise<Wire> {
    const wire = new Wire(target)
    wire.#server.listen({ host: '127.0.0.1', port: 0 })
    await once(wire.#server, 'listening')
    return wire
  }

  get endpoint(): Endpoint {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port }
  }

  /** What comes is lost from now on, or passed on again. Connections that lost something are of no use any more. */
  hold(holds: boolean): void {
    this.#holds = holds
    if (!holds) for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }
}
