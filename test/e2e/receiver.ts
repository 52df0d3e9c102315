/** A receiver of calls over HTTP, whose destinations are told how to answer. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** A status; or: the connection breaks once the call was read. */
export type Behaviour = number | 'break'

export class Receiver {
  /** Paths of the calls that came, without the slash, in their order. */
  readonly calls: string[] = []
  readonly ids: string[] = []
  readonly #behaviours = new Map<string, Behaviour>()
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      void buffer(request).then(body => {
        const name = request.url!.slice(1)
        this.calls.push(name)
        this.ids.push(body.toString())
        const behaviour = this.#behaviours.get(name) ?? 200
        if (behaviour === 'break') request.socket.destroy()
        else response.writeHead(behaviour).end()
      })
    })
  }

  static async open(): Promise<Receiver> {
    const receiver = new Receiver()
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** From now on. */
  answer(destination: string, behaviour: Behaviour): void {
    this.#behaviours.set(destination, behaviour)
  }

  /** How often it was called. */
  count(destination: string): number {
    return this.calls.filter(name => name === destination).length
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
