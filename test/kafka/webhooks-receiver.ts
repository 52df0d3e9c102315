/** Systems of customers: they verify what comes with what the notifier said, and remember it. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { verify } from 'aldebaran/webhooks/verify'

/** What an endpoint got of one id. */
export interface Arrived {
  times: number
  /** As its body was the first time; another one later would be a fault. */
  readonly body: string
}

export class WebhooksReceiver {
  /** Calls that no secret of their path verified, or whose body was another one the second time. */
  readonly faults: string[] = []
  /** Calls so far. */
  calls = 0
  readonly #arrived = new Map<string, Map<string, Arrived>>()
  readonly #secrets = new Map<string, string[]>()
  readonly #statuses = new Map<string, number>()
  readonly #server: Server
  /** No call is answered before it resolves. */
  #answers = Promise.resolve()
  #moments: { calls: number; reached: () => void }[] = []

  private constructor() {
    this.#server = createServer((request, response) => {
      const read = async (body: Buffer) => {
        const path = request.url!
        this.#take(path, request.headers, body.toString())
        await this.#answers
        response.writeHead(this.#statuses.get(path) ?? 200).end()
      }
      // A call whose sender was killed has no end.
      void buffer(request).then(read, () => {})
    })
  }

  static async open(): Promise<WebhooksReceiver> {
    const receiver = new WebhooksReceiver()
    await once(receiver.#server.listen(0, '127.0.0.1'), 'listening')
    return receiver
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** What comes to that path is verified with them, from now on. */
  trust(path: string, secrets: readonly string[]): void {
    this.#secrets.set(path, [...secrets])
  }

  /** From now on. */
  answer(path: string, status: number): void {
    this.#statuses.set(path, status)
  }

  /** Calls wait for their answers until the function that is returned is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#answers = promise
    return resolve
  }

  /** Resolves when so many more calls have come than now. */
  after(calls: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#moments.push({ calls: this.calls + calls, reached: resolve })
    return promise
  }

  /** By id. */
  at(path: string): ReadonlyMap<string, Arrived> {
    return this.#arrived.get(path) ?? new Map()
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #take(path: string, headers: IncomingHttpHeaders, body: string): void {
    const ids = this.#arrived.get(path) ?? new Map<string, Arrived>()
    this.#arrived.set(path, ids)
    try {
      const { id } = verify(headers, body, this.#secrets.get(path) ?? [])
      const known = ids.get(id)
      if (known === undefined) ids.set(id, { times: 1, body })
      else known.times++
      if (known !== undefined && known.body !== body) this.faults.push(`${path} ${id}: another body`)
    } catch (error) {
      this.faults.push(`${path} ${String(headers['webhook-id'])}: ${String(error)}`)
    }
    this.calls++
    this.#moments = this.#moments.filter(({ calls, reached }) => {
      if (calls > this.calls) return true
      reached()
      return false
    })
  }
}
