/** A server of names (RFC 1035) that answers what a test says, and something else the next time if it likes. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import ipaddr from 'ipaddr.js'

/** The addresses of a host; null: no answer at all. `times`: how often it was asked, with this one. */
type Names = (host: string, type: 'A' | 'AAAA', times: number) => readonly string[] | null

const TYPES: Readonly<Record<number, 'A' | 'AAAA'>> = { 1: 'A', 28: 'AAAA' }

export class NameServer implements AsyncDisposable {
  /** As `A rebind.example`. */
  readonly questions: string[] = []
  readonly #socket: Socket

  private constructor(names: Names) {
    this.#socket = createSocket('udp4')
    this.#socket.on('message', (message, { port, address }) => {
      const reply = this.#reply(message, names)
      if (reply !== null) this.#socket.send(reply, port, address)
    })
  }

  static async start(names: Names): Promise<NameServer> {
    const server = new NameServer(names)
    server.#socket.bind(0, '127.0.0.1')
    await once(server.#socket, 'listening')
    return server
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }

  #reply(message: Buffer, names: Names): Buffer | null {
    const labels: string[] = []
    let at = 12
    for (let length = message[at]!; length > 0; length = message[at]!) {
      labels.push(message.toString('latin1', at + 1, at + 1 + length))
      at += length + 1
    }
    const end = at + 5
    const host = labels.join('.').toLowerCase()
    const type = TYPES[message.readUInt16BE(at + 1)]
    if (type === undefined) return null
    const question = `${type} ${host}`
    this.questions.push(question)
    const addresses = names(host, type, this.questions.filter(other => other === question).length)
    if (addresses === null) return null
    const head = Buffer.alloc(12)
    message.copy(head, 0, 0, 2)
    // An answer, by who may give it, recursion available.
    head.writeUInt16BE(0x8580, 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(addresses.length, 6)
    const answers = addresses.map(address => {
      const bytes = Buffer.from(ipaddr.parse(address).toByteArray())
      // The name by a pointer to the question; class IN; nobody may keep it.
      const record = Buffer.from([0xc0, 12, ...message.subarray(at + 1, at + 3), 0, 1, 0, 0, 0, 0, 0, bytes.length])
      return Buffer.concat([record, bytes])
    })
    return Buffer.concat([head, message.subarray(12, end), ...answers])
  }
}
