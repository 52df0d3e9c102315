/**
 * What goes over a connection between nodes: frames of a JSON header and, for some, bytes.
 *
 *     length of the rest (4) · length of the header (4) · header · bytes
 *
 * The dialler begins; `welcome` ends the greeting. From then on the dialler pings, asks and tells, and the listener
 * answers and says when something about it changed, or that it leaves.
 *
 *     dialler   hello ────────►            proof ───────►            ping, ask, tell …
 *     listener          ◄──────── challenge       ◄─────── welcome            pong, answer, problem, info, goodbye …
 */
import { type AldebaranError, ERROR_CODES, type ErrorCode } from '../../errors.ts'
import { type Endpoint, isCount, isRecord, isText, type PeerInfo, parseEndpoint, parsePeerInfo } from './peer-info.ts'

export const PROTOCOL = 1

/** Why a question was not answered. */
export interface AskProblem {
  readonly code: ErrorCode
  readonly message: string
  readonly details: AldebaranError['details']
}

export type Frame =
  | { readonly kind: 'hello'; readonly protocol: number; readonly challenge: string }
  | { readonly kind: 'challenge'; readonly challenge: string; readonly proof: string }
  | { readonly kind: 'proof'; readonly proof: string; readonly node: string; readonly endpoint: Endpoint }
  | { readonly kind: 'welcome' | 'info'; readonly info: PeerInfo }
  /** `at`: the time of the one who pings, sent back as it is. */
  | { readonly kind: 'ping' | 'pong'; readonly at: number }
  | { readonly kind: 'ask' | 'answer'; readonly id: number }
  | ({ readonly kind: 'problem'; readonly id: number } & AskProblem)
  | { readonly kind: 'tell' | 'goodbye' }
  /** The last frame of a side that closes the connection for what the other sent. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Of a frame, bytes: until the other side is known, and then. */
export const LARGEST_GREETING = 16 * 1024
export const LARGEST_FRAME = 64 * 1024 * 1024

const HEAD = 8
const NOTHING = new Uint8Array(0)

export function encodeFrame(frame: Frame, bytes: Uint8Array = NOTHING): Buffer {
  const header = JSON.stringify(frame)
  const headerLength = Buffer.byteLength(header)
  const encoded = Buffer.allocUnsafe(HEAD + headerLength + bytes.length)
  encoded.writeUInt32BE(4 + headerLength + bytes.length, 0)
  encoded.writeUInt32BE(headerLength, 4)
  encoded.write(header, HEAD)
  encoded.set(bytes, HEAD + headerLength)
  return encoded
}

/** Takes a frame, whose bytes stay valid. Answers why it is not one to come now; null: it is taken. */
export type OnFrame = (frame: Frame, bytes: Buffer) => string | null

/** Takes frames out of a stream of bytes. */
export class FrameReader {
  limit = LARGEST_GREETING
  /** Set: what else comes is not looked at. */
  stopped = false
  readonly #head = Buffer.alloc(HEAD)
  #body: Buffer | null = null
  #read = 0

  /** Answers why these bytes cannot be taken; null: they are. */
  take(chunk: Buffer, onFrame: OnFrame): string | null {
    let at = 0
    while (at < chunk.length && !this.stopped) {
      const target = this.#body ?? this.#head
      const part = chunk.copy(target, this.#read, at, at + target.length - this.#read)
      at += part
      this.#read += part
      if (this.#read < target.length) continue
      this.#read = 0
      const problem = this.#body === null ? this.#begin() : this.#end(this.#body, onFrame)
      if (problem !== null) return problem
    }
    return null
  }

  #begin(): string | null {
    const length = this.#head.readUInt32BE(0) - 4
    const headerLength = this.#head.readUInt32BE(4)
    if (length > this.limit) return `a frame of ${length} bytes is longer than ${this.limit}`
    if (headerLength < 2 || headerLength > length) return `a header of ${headerLength} bytes in a frame of ${length}`
    this.#body = Buffer.allocUnsafeSlow(length)
    return null
  }

  #end(body: Buffer, onFrame: OnFrame): string | null {
    const headerLength = this.#head.readUInt32BE(4)
    this.#body = null
    const frame = parseFrame(body.toString('utf8', 0, headerLength))
    return frame === null ? 'a frame that is none of ours' : onFrame(frame, body.subarray(headerLength))
  }
}

/** Null: it is none of ours. */
export function parseFrame(text: string): Frame | null {
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch {
    return null
  }
  if (!isRecord(header)) return null
  const { kind, id, at, proof, challenge } = header
  switch (kind) {
    case 'hello':
      return isCount(header.protocol) && isText(challenge) ? { kind, protocol: header.protocol, challenge } : null
    case 'challenge':
      return isText(challenge) && isText(proof) ? { kind, challenge, proof } : null
    case 'proof': {
      const endpoint = parseEndpoint(header.endpoint)
      return isText(proof) && isText(header.node) && endpoint !== null
        ? { kind, proof, node: header.node, endpoint }
        : null
    }
    case 'welcome':
    case 'info': {
      const info = parsePeerInfo(header.info)
      return info === null ? null : { kind, info }
    }
    case 'ping':
    case 'pong':
      return typeof at === 'number' ? { kind, at } : null
    case 'ask':
    case 'answer':
      return isCount(id) ? { kind, id } : null
    case 'problem': {
      const { code, message } = header
      return isCount(id) && isText(message)
        ? { kind, id, code: codeOf(code), message, details: detailsOf(header.details) }
        : null
    }
    case 'tell':
    case 'goodbye':
      return { kind }
    case 'refused':
      return isText(header.reason) ? { kind, reason: header.reason } : null
    default:
      return null
  }
}

/** A newer node may have codes that are not known here. */
function codeOf(code: unknown): ErrorCode {
  return isText(code) && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'INTERNAL'
}

function detailsOf(details: unknown): AskProblem['details'] {
  if (!isRecord(details)) return {}
  const plain: Record<string, string | number | boolean | null> = {}
  for (const [name, value] of Object.entries(details)) {
    if (value === null || isText(value) || typeof value === 'number' || typeof value === 'boolean') plain[name] = value
  }
  return plain
}
