/** A receiver of which a test decides every byte, and when they come. */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

export interface ReceivedRequest {
  /** `POST /path HTTP/1.1` */
  readonly line: string
  /** Each name followed by its value, as they were sent. */
  readonly headers: readonly string[]
  readonly body: Buffer
}

type Answer = (socket: Socket, request: ReceivedRequest, number: number) => void

export interface RawReceiverSettings {
  host?: string
  port?: number
  tls?: TlsOptions
  /** Called for a connection instead of reading requests from it. */
  onConnection?: (socket: Socket) => void
}

/** Closed by `await using`. */
export class RawReceiver implements AsyncDisposable {
  readonly requests: ReceivedRequest[] = []
  /** That were opened, and that are open. */
  connections = 0
  readonly sockets = new Set<Socket>()
  readonly #server: Server
  readonly #settings: RawReceiverSettings
  readonly #waiting: { count: number; resolve: () => void }[] = []

  private constructor(answer: Answer, settings: RawReceiverSettings) {
    this.#settings = settings
    const accept = (socket: Socket) => this.#accept(socket, answer)
    this.#server = settings.tls === undefined ? createServer(accept) : createTlsServer(settings.tls, accept)
    this.#server.on('tlsClientError', () => {})
  }

  static async start(answer: Answer, settings: RawReceiverSettings = {}): Promise<RawReceiver> {
    const receiver = new RawReceiver(answer, settings)
    receiver.#server.listen(settings.port ?? 0, settings.host ?? '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get url(): string {
    return `${this.#settings.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}/hook`
  }

  /** Until so many requests have come. */
  async received(count: number): Promise<void> {
    if (this.requests.length >= count) return
    await new Promise<void>(resolve => this.#waiting.push({ count, resolve }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  #accept(socket: Socket, answer: Answer): void {
    this.connections++
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    const { onConnection } = this.#settings
    if (onConnection !== undefined) {
      onConnection(socket)
      return
    }
    let pending = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      for (let found = take(pending); found !== null; found = take(pending)) {
        pending = pending.subarray(found.bytes)
        this.requests.push(found.request)
        answer(socket, found.request, this.requests.length)
        for (const { count, resolve } of this.#waiting) if (this.requests.length >= count) resolve()
      }
    })
  }
}

function take(bytes: Buffer): { request: ReceivedRequest; bytes: number } | null {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return null
  const [line = '', ...fields] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = fields.flatMap(field => {
    const colon = field.indexOf(': ')
    return [field.slice(0, colon), field.slice(colon + 2)]
  })
  const at = headers.findIndex((name, n) => n % 2 === 0 && name.toLowerCase() === 'content-length')
  const length = at === -1 ? 0 : Number(headers[at + 1])
  const from = end + 4
  if (bytes.length < from + length) return null
  return { request: { line, headers, body: bytes.subarray(from, from + length) }, bytes: from + length }
}

/** A whole answer. */
export function answer(status: number, body = '', ...headers: string[]): string {
  const lines = [`HTTP/1.1 ${status} Text`, `content-length: ${Buffer.byteLength(body)}`, ...headers]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** Until a connection is closed, in whatever way. */
export function closing(socket: Socket): Promise<void> {
  return new Promise(resolve => socket.once('close', () => resolve()))
}
