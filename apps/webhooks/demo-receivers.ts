/** Systems of customers as one meets them, on loopback: what the sample data is sent to. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'

export interface DemoReceiver {
  /** What its endpoint is described by. */
  readonly name: string
  readonly types: readonly string[]
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>
}

const SLOW_MS = 400

export const DEMO_RECEIVERS: readonly DemoReceiver[] = [
  { name: 'Warehouse: answers at once', types: ['*'], answer: (_, response) => accept(response) },
  {
    name: 'Ledger: answers slowly',
    types: ['issues.*', 'pull_request.*'],
    async answer(_, response) {
      await setTimeout(SLOW_MS)
      accept(response)
    },
  },
  {
    name: 'Old shop: fails',
    types: ['issue_comment.*', 'release.*'],
    answer: (_, response) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end('the database is away')
    },
  },
  {
    name: 'Former partner: is gone',
    types: ['star.*', 'watch.*', 'fork'],
    answer: (_, response) => {
      response.writeHead(410).end()
    },
  },
]

export class DemoReceivers {
  readonly #servers: Server[] = []

  /** Each on a free port of 127.0.0.1. */
  static async open(): Promise<DemoReceivers> {
    const receivers = new DemoReceivers()
    for (const { answer } of DEMO_RECEIVERS) {
      const server = createServer((request, response) => {
        // Whoever hangs up loses the answer, and nothing else happens.
        response.on('error', () => {})
        request.resume().once('end', () => void answer(request, response))
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      receivers.#servers.push(server)
    }
    return receivers
  }

  /** In the order of DEMO_RECEIVERS. */
  get origins(): string[] {
    return this.#servers.map(server => `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}

function accept(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"received":true}')
}
