/** A TCP server on loopback that answers as a test says, right or wrong: what real brokers seldom do. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { saslAuthenticate, saslHandshake } from '../admin-messages.ts'
import { WireReader, WireWriter } from '../bytes.ts'
import type { ConnectionSettings, Endpoint } from '../connection.ts'
import { apiVersions } from '../data-messages.ts'
import { NO_SECURITY } from '../security.ts'
import type { Api } from '../types.ts'

export interface Received {
  readonly key: number
  readonly correlation: number
  readonly clientId: string
  /** What follows the header. */
  readonly body: WireReader
}

/** What is done with a request; ApiVersions is answered before. */
export type Script = (request: Received, socket: Socket) => void

export interface ScriptedBroker {
  readonly endpoint: Endpoint
  /** Keys of all requests, in their order, of all connections. */
  readonly keys: number[]
  end(): Promise<void>
}

export const SETTINGS: ConnectionSettings = {
  clientId: 'test',
  security: NO_SECURITY,
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
}

/** @param greeting instead of the answer to ApiVersions */
export async function scriptedBroker(script: Script, greeting?: Uint8Array): Promise<ScriptedBroker> {
  const keys: number[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, socket => {
    sockets.add(socket)
    let bytes: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const end = 4 + bytes.readInt32BE(0)
        const request = requestIn(bytes.subarray(0, end))
        bytes = bytes.subarray(end)
        keys.push(request.key)
        if (request.key !== apiVersions.key) script(request, socket)
        else socket.write(greeting ?? frame(request.correlation, GREETING))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    keys,
    async end() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function requestIn(bytes: Buffer): Received {
  const body = new WireReader(bytes, 4, bytes.length)
  const key = body.int16()
  body.int16()
  const correlation = body.int32()
  const clientId = body.text(body.int16())
  if (key !== saslHandshake.key) body.uvarint()
  return { key, correlation, clientId, body }
}

export function frame(correlation: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + payload.length)
  head.writeInt32BE(correlation, 4)
  return Buffer.concat([head, payload])
}

/** The frame of an answer. */
export function answer<S>(api: Api<unknown, S>, correlation: number, value: S): Buffer {
  const to = new WireWriter()
  if (api.flexible) to.uvarint(0)
  api.response.write(to, value)
  return frame(correlation, to.bytes.subarray(0, to.at))
}

/** No error, no requests named, no throttling, no tagged fields. */
const GREETING = Buffer.from([0, 0, 1, 0, 0, 0, 0, 0])

/** The client's side of SASL, as text; then what to answer with. */
export function answerSasl(
  request: Received,
  socket: Socket,
  reply: (message: string) => { authBytes?: string; errorMessage?: string; sessionLifetimeMs?: number },
): void {
  if (request.key === saslHandshake.key) {
    socket.write(answer(saslHandshake, request.correlation, { errorCode: 0, mechanisms: [] }))
    return
  }
  const { authBytes } = saslAuthenticate.request.read(request.body)
  const said = reply(Buffer.from(authBytes).toString())
  socket.write(
    answer(saslAuthenticate, request.correlation, {
      errorCode: said.errorMessage === undefined ? 0 : 58,
      errorMessage: said.errorMessage ?? null,
      authBytes: Buffer.from(said.authBytes ?? ''),
      sessionLifetimeMs: said.sessionLifetimeMs ?? 0,
    }),
  )
}
