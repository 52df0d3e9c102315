import type { FastifyReply, FastifyRequest } from 'fastify'

/** A comment goes out after that much silence, ms, so that proxies keep the connection. */
const HEARTBEAT_MS = 15_000
/** A client that takes nothing for this long is dropped, ms. */
const STALL_MS = 10_000
/** Bytes that may wait in the process for a client. */
const WAITING_BYTES = 256 * 1024

/**
 * Server-sent events to one client (WHATWG HTML, "Server-sent events").
 *
 * 1. What the client does not take is not gathered here: `ready` turns false, and `onReady` is called when there is
 *    room again. A client that takes nothing for STALL_MS is dropped, with a comment that says so.
 */
export class EventStream {
  /** Called when a client that was slow takes on again. */
  onReady: () => void = () => {}
  readonly #response: FastifyReply['raw']
  readonly #onClose: (() => void)[] = []
  readonly #heartbeat: NodeJS.Timeout
  readonly #stallMs: number
  #stall: NodeJS.Timeout | null = null
  #closed = false

  constructor(request: FastifyRequest, reply: FastifyReply, stallMs: number = STALL_MS) {
    reply.hijack()
    this.#stallMs = stallMs
    this.#response = reply.raw
    const headers = reply.getHeaders()
    this.#response.writeHead(200, {
      ...(headers as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    request.raw.socket.setNoDelay(true)
    this.#response.write('retry: 1000\n\n')
    this.#response.on('drain', () => this.#drained())
    this.#response.on('close', () => this.close())
    this.#response.on('error', () => this.close())
    this.#heartbeat = setInterval(() => this.#write(': still here\n\n'), HEARTBEAT_MS)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The client takes what is sent. */
  get ready(): boolean {
    return !this.#closed && this.#stall === null
  }

  onClose(hook: () => void): void {
    if (this.#closed) hook()
    else this.#onClose.push(hook)
  }

  /** `data` is sent as JSON, on one line. */
  send(event: string, data: unknown, id?: string): void {
    this.sendText(event, JSON.stringify(data), id)
  }

  /** For JSON text that goes to several clients. */
  sendText(event: string, json: string, id?: string): void {
    this.#write(eventText(event, json, id))
  }

  /** Events that are spelled out already, with the empty line behind each: `eventText`. */
  sendReady(text: string): void {
    this.#write(text)
  }

  /** Ends the stream with a comment; the client connects again by itself unless it is told that all is over. */
  close(comment?: string): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#heartbeat)
    if (this.#stall !== null) clearTimeout(this.#stall)
    if (!this.#response.destroyed) this.#response.end(comment === undefined ? '' : `: ${comment}\n\n`)
    for (const hook of this.#onClose) hook()
  }

  #write(text: string): void {
    if (this.#closed) return
    this.#response.write(text)
    if (this.#stall !== null || this.#response.writableLength < WAITING_BYTES) return
    this.#stall = setTimeout(() => {
      const response = this.#response
      this.close('dropped: the client took nothing for too long')
      // It does not take the end either.
      response.destroy()
    }, this.#stallMs)
  }

  #drained(): void {
    if (this.#closed || this.#stall === null) return
    clearTimeout(this.#stall)
    this.#stall = null
    this.onReady()
  }
}

/** An event as it is written. `json`: on one line. */
export function eventText(event: string, json: string, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${json}\n\n`
}
