/**
 * The packets of NSCA, protocol version 3, as `send_nsca` and the daemon have them.
 *
 * The server begins: 128 random bytes and its time. The answer is one packet of fixed size, in network order:
 *
 *     0 version 3 · 4 CRC-32 · 8 the server's time · 12 state · 14 host (64) · 78 service (128) · 206 output · end
 *
 * The CRC is over the whole packet with zeros in its place. Texts end with a zero byte. What comes behind them is random, so
 * that encryption hides where they end. Sizes are those of a C struct that is aligned to 4 bytes.
 */
import { createCipheriv, randomFillSync } from 'node:crypto'
import { crc32 } from 'node:zlib'

export type NscaEncryption = 'none' | 'xor' | 'aes'

export interface CheckResult {
  readonly host: string
  /** '': a check of the host. */
  readonly service: string
  readonly state: number
  readonly output: string
}

export const GREETING_BYTES = 132
export const HOST_BYTES = 64
export const SERVICE_BYTES = 128

const VECTOR_BYTES = 128
const HOST_AT = 14
const SERVICE_AT = HOST_AT + HOST_BYTES
const OUTPUT_AT = SERVICE_AT + SERVICE_BYTES

/** `outputBytes`: with the zero byte; 4096 since NSCA 2.9, 512 before. */
export function nscaPacket(
  { host, service, state, output }: CheckResult,
  greeting: Buffer,
  outputBytes: number,
  encryption: NscaEncryption,
  password: string,
): Buffer {
  const packet = Buffer.alloc(Math.ceil((OUTPUT_AT + outputBytes) / 4) * 4)
  randomFillSync(packet)
  packet.writeInt16BE(3, 0)
  packet.writeUInt32BE(0, 4)
  packet.writeUInt32BE(greeting.readUInt32BE(VECTOR_BYTES), 8)
  packet.writeInt16BE(state, 12)
  writeText(packet, host, HOST_AT, HOST_BYTES)
  writeText(packet, service, SERVICE_AT, SERVICE_BYTES)
  writeText(packet, output, OUTPUT_AT, outputBytes)
  packet.writeUInt32BE(crc32(packet), 4)
  return encrypt(packet, greeting.subarray(0, VECTOR_BYTES), encryption, Buffer.from(password))
}

function writeText(packet: Buffer, text: string, at: number, size: number): void {
  // Cut at a whole character, by `write`.
  const length = packet.write(text, at, size - 1)
  packet[at + length] = 0
}

function encrypt(packet: Buffer, vector: Buffer, encryption: NscaEncryption, password: Buffer): Buffer {
  switch (encryption) {
    case 'none':
      return packet
    case 'xor':
      mix(packet, vector)
      mix(packet, password)
      return packet
    case 'aes': {
      // Method 14, mcrypt's rijndael-128: its longest key, filled up with zeros, and a feedback of 8 bits.
      const key = Buffer.alloc(32)
      password.copy(key)
      const cipher = createCipheriv('aes-256-cfb8', key, vector.subarray(0, 16))
      return Buffer.concat([cipher.update(packet), cipher.final()])
    }
  }
}

function mix(packet: Buffer, bytes: Buffer): void {
  if (bytes.length === 0) return
  for (let at = 0; at < packet.length; at++) packet[at]! ^= bytes[at % bytes.length]!
}
