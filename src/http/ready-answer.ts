import { AldebaranError } from '../errors.ts'
import { type Coding, encode } from './content-coding.ts'

export interface ReadyAnswerSettings {
  /** JSON text, or its bytes. */
  body: string | Buffer
  /**
   * What tells this answer from any other of its URL, now and later, on every node: of letters, digits and `.:_-`. It comes
   * from the versions of what is shown, so that nobody has to hash the body.
   */
  version: string
  /** How long clients and caches may show it without asking again, ms; whole seconds of it are told. 0: not at all. */
  maxAge: number
  /** Default 'application/json; charset=utf-8'. */
  type?: string
}

/** One coding of the body, with the headers that belong to it. */
export interface Variant {
  readonly etag: string
  readonly body: Buffer
  /** Names and values in turn, as `writeHead` takes them. */
  readonly headers: readonly string[]
  /** Of 304: without those that tell of the body. */
  readonly unchanged: readonly string[]
}

/** Smaller bodies fit into a packet or three, and are sent as they are. */
const SMALLEST_ENCODED = 4096
const VERSION = /^[\w.:-]{1,200}$/

/**
 * An answer whose bytes are ready, with an ETag, until what it shows changes: then whoever made it drops it. Until then
 * the server may answer the same URL with it, without asking the route.
 *
 * 1. Once it is dropped it is sent to nobody who asks later.
 * 2. An answer that the server does not keep is dropped, so whoever counts the answers that are alive forgets it.
 * 3. Each coding has an ETag of its own, as RFC 9110 8.8.3 has it; If-None-Match is satisfied by any of them.
 */
export class ReadyAnswer {
  /** Called once, when it is dropped. */
  onDrop: (() => void) | null = null
  readonly body: Buffer
  readonly #settings: ReadyAnswerSettings
  readonly #variants = new Map<Coding, Variant>()
  readonly #encoding = new Map<Coding, Promise<Variant>>()
  #dropped = false

  /** @throws AldebaranError OPTION_INVALID: the version cannot be an ETag */
  constructor(settings: ReadyAnswerSettings) {
    if (!VERSION.test(settings.version)) {
      throw new AldebaranError('OPTION_INVALID', `version: '${settings.version}' cannot be an ETag`, {
        option: 'version',
      })
    }
    this.#settings = settings
    this.body = typeof settings.body === 'string' ? Buffer.from(settings.body) : settings.body
  }

  get isDropped(): boolean {
    return this.#dropped
  }

  /** Bytes that it takes, in all codings made so far. */
  get size(): number {
    let size = this.body.length
    for (const [coding, { body }] of this.#variants) if (coding !== 'identity') size += body.length
    return size
  }

  drop(): void {
    if (this.#dropped) return
    this.#dropped = true
    this.onDrop?.()
  }

  /** In a coding that the client takes; null: it has to be made first. */
  variant(coding: Coding, isPrivate: boolean): Variant | null {
    const wanted = this.#isEncoded ? coding : 'identity'
    const variant = this.#variants.get(wanted)
    if (variant !== undefined) return variant
    return wanted === 'identity' ? this.#keep('identity', this.body, isPrivate) : null
  }

  /** As `variant`, which is made if it has to be: once, for all who wait. */
  async makeVariant(coding: Coding, isPrivate: boolean): Promise<Variant> {
    const variant = this.variant(coding, isPrivate)
    if (variant !== null || coding === 'identity') return variant!
    let encoding = this.#encoding.get(coding)
    if (encoding === undefined) {
      encoding = encode(this.body, coding).then(body => this.#keep(coding, body, isPrivate))
      this.#encoding.set(coding, encoding)
    }
    return await encoding
  }

  get #isEncoded(): boolean {
    return this.body.length >= SMALLEST_ENCODED
  }

  #keep(coding: Coding, body: Buffer, isPrivate: boolean): Variant {
    const { version, maxAge, type = 'application/json; charset=utf-8' } = this.#settings
    const seconds = Math.floor(maxAge / 1000)
    const etag = `"${version}${coding === 'identity' ? '' : `-${coding}`}"`
    const unchanged = ['etag', etag]
    unchanged.push(
      'cache-control',
      seconds > 0 ? `${isPrivate ? 'private' : 'public'}, max-age=${seconds}` : 'no-cache',
    )
    if (this.#isEncoded) unchanged.push('vary', 'accept-encoding')
    const headers = [...unchanged, 'content-type', type, 'content-length', String(body.length)]
    if (coding !== 'identity') headers.push('content-encoding', coding)
    const variant = { etag, body, headers, unchanged }
    this.#variants.set(coding, variant)
    return variant
  }

  /** The client has it already, by what it sent as If-None-Match. */
  isKnownTo(asked: string | undefined): boolean {
    if (asked === undefined) return false
    const { version } = this.#settings
    return asked.split(',').some(one => {
      const tag = one.trim().replace(/^W\//, '')
      return tag === '*' || tag === `"${version}"` || tag === `"${version}-br"` || tag === `"${version}-gzip"`
    })
  }
}
