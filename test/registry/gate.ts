/** A door before a real server: open, shut, or answering something else for a while. */
import { createServer, type RequestListener, request, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export type Verdict = 'open' | 'shut' | 'silent' | { status: number; headers?: Record<string, string> }

export class Gate {
  /** What it does with each request, the first one first; then `otherwise`. */
  next: Verdict[] = []
  otherwise: Verdict = 'open'
  /** The requests that came: `GET /subjects`. */
  readonly requests: string[] = []
  readonly #server: Server
  readonly #scheme: string

  constructor(target: string, tls?: { cert: string; key: string }) {
    const listener: RequestListener = (incoming, answer) => {
      this.requests.push(`${incoming.method} ${incoming.url}`)
      const verdict = this.next.shift() ?? this.otherwise
      if (verdict === 'silent') return
      if (verdict === 'shut') return void incoming.socket.destroy()
      if (typeof verdict === 'object') {
        answer.writeHead(verdict.status, verdict.headers)
        return void answer.end('{"error_code":50001,"message":"not now"}')
      }
      const { host: _, ...headers } = incoming.headers
      const onward = request(target + incoming.url, { method: incoming.method!, headers }, response => {
        answer.writeHead(response.statusCode!, response.headers)
        response.pipe(answer)
      })
      onward.on('error', () => answer.destroy())
      incoming.pipe(onward)
    }
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  }

  async open(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}
