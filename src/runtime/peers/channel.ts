/**
 * A connection between two nodes: frames in and out, and one end.
 *
 * Invariants
 * 1. `ended` is called once, and nothing is called after it; not at all after `destroy`.
 * 2. Bytes that are no frames, and frames that do not belong there, end the connection; the other side is told why.
 */
import type { Socket } from 'node:net'
import { messageOf } from '../../errors.ts'
import { encodeFrame, type Frame, FrameReader, LARGEST_FRAME, type OnFrame } from './frames.ts'
import type { EndKind } from './peer-watch.ts'

export interface ChannelEvents {
  /** Bytes came, perhaps of a frame that is not complete. */
  heard(): void
  frame: OnFrame
  ended(kind: EndKind, reason: string): void
}

/** A peer that lets more than this wait to be read is not worth the memory, bytes. */
const LARGEST_BACKLOG = 4 * LARGEST_FRAME
/** The last words have this long to get out, ms. */
const LAST_WORDS_MS = 250

/** Failures of this machine or this process, not of the other side. */
const OWN_FAILURES = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EACCES', 'EPERM']

export class Channel {
  readonly #socket: Socket
  readonly #events: ChannelEvents
  readonly #reader = new FrameReader()
  readonly #closed: Promise<void>
  /** It was ended for what the other side did. */
  refused = false
  #error: NodeJS.ErrnoException | null = null
  #ended = false
  #finishing = false

  constructor(socket: Socket, events: ChannelEvents) {
    this.#socket = socket
    this.#events = events
    this.#closed = new Promise(resolve => socket.once('close', () => resolve()))
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', error => {
      this.#error = error
    })
    // Neither side ever closes half of it.
    socket.on('end', () => this.#end('closed', 'the connection was closed'))
    socket.on('close', () => this.#close())
  }

  /** From now on the other side is known, and may send what is large. */
  trust(): void {
    this.#reader.limit = LARGEST_FRAME
  }

  send(frame: Frame, bytes?: Uint8Array): void {
    if (this.#ended) return
    this.#socket.write(encodeFrame(frame, bytes))
    if (this.#socket.writableLength > LARGEST_BACKLOG) this.#end('closed', 'it does not read what it is sent')
  }

  /** Closes for what the other side did, and tells it why. */
  refuse(reason: string): void {
    if (this.#ended) return
    this.refused = true
    void this.finish({ kind: 'refused', reason })
    this.#events.ended('closed', reason)
  }

  /** Closes with a last frame. Resolves when it is closed. */
  finish(frame: Frame): Promise<void> {
    this.#silence()
    this.#finishing = true
    this.#socket.end(encodeFrame(frame))
    const timer = setTimeout(() => this.#socket.destroy(), LAST_WORDS_MS)
    return this.#closed.then(() => clearTimeout(timer))
  }

  /** Closes at once, but for last words that are on their way. */
  destroy(): void {
    this.#silence()
    if (!this.#finishing) this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return
    this.#events.heard()
    const problem = this.#reader.take(chunk, (frame, bytes) => {
      if (frame.kind !== 'refused') return this.#events.frame(frame, bytes)
      this.#end('closed', `it refused: ${frame.reason}`)
      return null
    })
    if (problem !== null) this.refuse(problem)
  }

  #close(): void {
    const code = this.#error?.code ?? ''
    const kind = code === 'ECONNREFUSED' ? 'refused' : OWN_FAILURES.includes(code) ? 'own' : 'closed'
    this.#end(kind, this.#error === null ? 'the connection was closed' : messageOf(this.#error) || code)
  }

  #end(kind: EndKind, reason: string): void {
    if (this.#ended) return
    this.destroy()
    this.#events.ended(kind, reason)
  }

  #silence(): void {
    this.#ended = true
    this.#reader.stopped = true
  }
}
