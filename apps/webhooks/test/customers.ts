/** A service that knows customers: what enrichments ask, and what it has been asked. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

export class Customers {
  /** By key. */
  readonly values = new Map<string, unknown>()
  /** The keys of each question. */
  readonly asked: string[][] = []
  /** Other than 200: answered to all. */
  status = 200
  /** A question with this key is refused. */
  poison = ''
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      void json(request).then(body => {
        const { keys } = body as { keys: string[] }
        this.asked.push(keys)
        const status = keys.includes(this.poison) ? 400 : this.status
        const values = keys.flatMap(key => (this.values.has(key) ? [[key, this.values.get(key)]] : []))
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ values: Object.fromEntries(values) }))
      })
    })
  }

  static async open(): Promise<Customers> {
    const customers = new Customers()
    customers.#server.listen(0, '127.0.0.1')
    await once(customers.#server, 'listening')
    return customers
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/customers`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
