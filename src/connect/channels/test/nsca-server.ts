/**
 * An NSCA daemon after its C source: greets, reads packets until the client ends, decrypts them, and drops what has another
 * version, a wrong checksum or an old timestamp. Written from the daemon's side, so that it shares no code with the sender.
 */
import { createDecipheriv, randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { crc32 } from 'node:zlib'
import { listening } from './apparatus.ts'

export interface Result {
  host: string
  service: string
  state: number
  output: string
}

interface Settings {
  method: 0 | 1 | 14
  password: string
  outputBytes: number
  /** Instead of reading: with the connection, after the greeting. */
  instead?: (socket: Socket) => void
}

export async function nscaServer({ method, password, outputBytes, instead }: Settings) {
  const results: Result[] = []
  const dropped: string[] = []
  // sizeof(data_packet): the compiler aligns it to the 4 bytes of its widest member.
  const size = { 4096: 4304, 512: 720 }[outputBytes]!
  const server = createServer({ allowHalfOpen: true }, socket => {
    const vector = randomBytes(128)
    const now = Buffer.alloc(4)
    now.writeUInt32BE(Math.floor(Date.now() / 1000))
    // In two parts, as a network may bring it.
    socket.write(vector.subarray(0, 50))
    socket.write(Buffer.concat([vector.subarray(50), now]))
    if (instead !== undefined) return instead(socket)
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
    })
    socket.on('end', () => {
      if (bytes.length !== size) dropped.push(`${bytes.length} bytes`)
      else read(decrypt(bytes, vector))
      socket.end()
    })
  })

  function decrypt(bytes: Buffer, vector: Buffer): Buffer {
    const key = Buffer.from(password)
    if (method === 1) {
      return Buffer.from(bytes.map((byte, at) => byte ^ (key[at % key.length] ?? 0) ^ vector[at % 128]!))
    }
    if (method === 0) return bytes
    const padded = Buffer.concat([key, Buffer.alloc(32 - key.length)])
    return createDecipheriv('aes-256-cfb8', padded, vector.subarray(0, 16)).update(bytes)
  }

  function read(packet: Buffer): void {
    const expected = packet.readUInt32BE(4)
    packet.writeUInt32BE(0, 4)
    const age = Math.floor(Date.now() / 1000) - packet.readUInt32BE(8)
    if (packet.readInt16BE(0) !== 3) dropped.push('version')
    else if (crc32(packet) !== expected) dropped.push('checksum')
    else if (Math.abs(age) > 30) dropped.push('age')
    else {
      const text = (at: number, room: number) => {
        const field = packet.subarray(at, at + room)
        return field.toString('utf8', 0, field.indexOf(0))
      }
      results.push({
        state: packet.readInt16BE(12),
        host: text(14, 64),
        service: text(78, 128),
        output: text(206, outputBytes),
      })
    }
  }

  const place = await listening(server)
  return { port: place.port, results, dropped, [Symbol.asyncDispose]: place[Symbol.asyncDispose] }
}
