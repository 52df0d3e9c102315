/** What the tests of all channels need: an alert, an attempt, and what became of a try. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Attempt } from '../../../delivery/contract.ts'
import { DeliveryError, type DeliveryFate } from '../../../delivery/delivery-error.ts'
import type { AlertMessage } from '../channel.ts'

export const NOW = Date.UTC(2026, 2, 1, 12)

export function alert(changes: Partial<AlertMessage> = {}): AlertMessage {
  return {
    title: 'Account 7 overbought',
    text: 'Bought 120, allowed 100.',
    severity: 'critical',
    source: 'account-7',
    time: NOW,
    data: { account: 7 },
    ...changes,
  }
}

export function attempt(id = 'orders-0-41', signal = new AbortController().signal): Attempt {
  return {
    id,
    destination: 'd',
    tenant: '',
    number: 1,
    since: NOW,
    startedAt: NOW,
    timestamp: NOW,
    headers: [],
    key: null,
    latest: () => undefined,
    count: () => {},
    signal,
  }
}

/** The error with which it failed: a DeliveryError of that fate. */
export async function fails(sent: Promise<unknown>, fate: DeliveryFate): Promise<DeliveryError> {
  const error: unknown = await sent.then(
    () => assert.fail(`it was sent, and should have failed: ${fate}`),
    failure => failure,
  )
  assert.ok(error instanceof DeliveryError, String(error))
  assert.equal(`${error.fate}: ${error.message}`, `${fate}: ${error.message}`)
  return error
}

/** Listens on loopback; ended with everything that is connected when the test is over. */
export async function listening(server: Server): Promise<{ port: number; sockets: Set<Socket> } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    // A test that resets connections is reset itself.
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** A port where nobody listens. */
export async function refusedPort(): Promise<number> {
  const { createServer } = await import('node:net')
  await using place = await listening(createServer())
  return place.port
}
