/** A system of a customer: paths that are told how to answer, and what came to them. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface ReceivedCall {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** ms since 1970 */
  readonly at: number
  /** What it was answered with. */
  readonly status: number
}

export interface Behaviour {
  status: number
  headers?: Record<string, string>
  /** Default: empty. `echo`: the headers that came. */
  body?: 'echo'
}

export class Receiver {
  readonly calls: ReceivedCall[] = []
  readonly #behaviours = new Map<string, Behaviour[]>()
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      void buffer(request).then(body => {
        const path = request.url!
        const behaviours = this.#behaviours.get(path) ?? []
        const {
          status,
          headers = {},
          body: answer,
        } = behaviours.length > 1 ? behaviours.shift()! : (behaviours[0] ?? OK)
        this.calls.push({ path, headers: request.headers, body: body.toString(), at: Date.now(), status })
        response.writeHead(status, headers).end(answer === 'echo' ? JSON.stringify(request.headers) : '')
      })
    })
  }

  static async open(): Promise<Receiver> {
    const receiver = new Receiver()
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** From now on: one after the other, and the last for good. */
  answer(path: string, ...behaviours: Behaviour[]): void {
    this.#behaviours.set(path, behaviours)
  }

  to(path: string): ReceivedCall[] {
    return this.calls.filter(call => call.path === path)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

const OK: Behaviour = { status: 200 }
