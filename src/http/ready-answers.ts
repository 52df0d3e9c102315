/**
 * The answers that are ready, by the URLs they were asked for, and the way of a request to one of them past the router.
 *
 * 1. A request is answered here only if everything that the server would ask of it holds; else it goes the usual way,
 *    which tells what is wrong.
 * 2. What is kept is bounded: in number and in bytes. The one that was kept first goes first, and is dropped.
 * 3. An answer that was dropped is not found, from the moment of `drop` on.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Codings } from './content-coding.ts'
import type { ReadyAnswer } from './ready-answer.ts'

export interface ReadyAnswersSettings {
  /** May this request have what needs credentials? */
  admits: (request: IncomingMessage) => boolean
  /** Of every answer, names and values in turn. */
  headers: readonly string[]
  /** The answers are for those with credentials only: caches between must not keep them. */
  isPrivate: boolean
  counted: (route: string, status: number) => void
  /** Default 65,536. */
  mostAnswers?: number
  /** Default 128 MiB. */
  mostBytes?: number
}

/** A URL and the objects of an answer, about. */
const ENTRY_BYTES = 512
/** Longer ones are answered, and not kept. */
const LONGEST_URL = 1024

interface Kept {
  readonly answer: ReadyAnswer
  readonly route: string
  /** As counted when it was kept. */
  bytes: number
}

export class ReadyAnswers {
  readonly isPrivate: boolean
  readonly codings = new Codings()
  readonly #settings: ReadyAnswersSettings
  readonly #most: { answers: number; bytes: number }
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #closed = false

  constructor(settings: ReadyAnswersSettings) {
    this.#settings = settings
    this.isPrivate = settings.isPrivate
    this.#most = { answers: settings.mostAnswers ?? 65_536, bytes: settings.mostBytes ?? 128 * 1024 * 1024 }
  }

  get count(): number {
    return this.#kept.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Answers, if there is an answer for this request. False: it goes the usual way. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#kept.size === 0 || this.#closed || request.method !== 'GET') return false
    const kept = this.#kept.get(request.url!)
    if (kept === undefined) return false
    const { answer, route } = kept
    if (answer.isDropped) {
      this.#forget(request.url!, kept)
      return false
    }
    const { headers } = request
    if (!this.#settings.admits(request)) return false
    const variant = answer.variant(this.codings.of(headers['accept-encoding'] as string | undefined), this.isPrivate)
    if (variant === null) return false
    if (answer.isKnownTo(headers['if-none-match'])) {
      response.writeHead(304, [...this.#settings.headers, ...variant.unchanged])
      response.end()
      this.#settings.counted(route, 304)
      return true
    }
    response.writeHead(200, [...this.#settings.headers, ...variant.headers])
    response.end(variant.body)
    this.#settings.counted(route, 200)
    return true
  }

  /** Keeps it for those who ask for the same URL. One that cannot be kept is dropped. */
  keep(url: string, route: string, answer: ReadyAnswer): void {
    const before = this.#kept.get(url)
    if (before !== undefined && before.answer !== answer) this.#forget(url, before)
    if (answer.isDropped) return
    const bytes = ENTRY_BYTES + url.length + answer.size
    if (this.#closed || url.length > LONGEST_URL || bytes > this.#most.bytes) {
      answer.drop()
      return
    }
    const known = this.#kept.get(url)
    if (known === undefined) this.#kept.set(url, { answer, route, bytes })
    else {
      this.#bytes -= known.bytes
      known.bytes = bytes
    }
    this.#bytes += bytes
    while (this.#kept.size > this.#most.answers || this.#bytes > this.#most.bytes) {
      const [oldest, first] = this.#kept.entries().next().value!
      this.#forget(oldest, first)
    }
  }

  /** Nothing is answered here from now on. */
  close(): void {
    this.#closed = true
    for (const [url, kept] of this.#kept) this.#forget(url, kept)
  }

  #forget(url: string, kept: Kept): void {
    this.#kept.delete(url)
    this.#bytes -= kept.bytes
    kept.answer.drop()
  }
}
