/**
 * One try of one event at one endpoint, by Standard Webhooks 1.0.0.
 *
 * 1. The endpoint is read anew with each try: its address, its secrets and its headers may have changed.
 * 2. What is recorded of a try holds no secret, also where a receiver sends back what it got.
 */
import { type Attempt, DeliveryError, TlsIdentity } from 'aldebaran'
import { deliveryErrorOf, HttpSender, type HttpSenderSettings, WebhookSigner } from 'aldebaran/webhooks'
import type { Endpoint } from './accounts.ts'
import { openIdentity } from './client-certificates.ts'
import { headersOf, secretsAt } from './endpoint-secrets.ts'
import type { Vault } from './sealing.ts'

/** What a try looked up before it was sent. */
export interface LookupDetail {
  /** Answered from the cache, and by the source. */
  readonly hits: number
  readonly misses: number
  /** All of them together, at once. */
  readonly ms: number
}

/** What `detail` of an attempt says. */
export interface SendDetail {
  readonly type: string
  /** 0: no answer came. */
  readonly status: number
  /** From the call to the end of the answer, and to its status; ms, -1: none came. */
  readonly ms: number
  readonly firstByteMs: number
  readonly host: string
  readonly contentType: string
  /** The beginning of the answer. */
  readonly body: string
  /** Not there: nothing was looked up. */
  readonly lookups?: LookupDetail
}

interface Prepared {
  readonly signer: WebhookSigner
  readonly headers: readonly string[]
  /** undefined: that of the settings. */
  readonly identity: TlsIdentity | undefined
  readonly host: string
  readonly isTrusted: boolean
  /** The first of its secrets ends then, ms since 1970. */
  readonly until: number
  /** Values that must not be recorded. */
  readonly secrets: readonly string[]
}

/** Of an answer, in the record of the try. */
const KEPT_BODY = 1024
/** Shorter values of headers are no secrets, and stand in any text. */
const SHORTEST_SECRET = 8
/** Certificates of endpoints that are held open, of a worker thread. */
const MOST_IDENTITIES = 256
/** With authorities of our own each of them has all authorities once more: 2 MB. */
const MOST_WITH_AUTHORITIES = 64

export class WebhookSender {
  readonly #vault: Vault
  readonly #settings: HttpSenderSettings
  readonly #trusted: ReadonlySet<string>
  readonly #prepared = new WeakMap<Endpoint, Prepared>()
  /** By what is sealed: an account that changes in other things keeps its connections. The least recently used goes first. */
  readonly #identities = new Map<string, TlsIdentity>()
  /** Made when they are needed: every thread builds the application, and few send. */
  #sender: HttpSender | null = null
  #trustedSender: HttpSender | null = null

  /** `trusted`: origins that may be sent to whatever the rules say. */
  constructor(vault: Vault, settings: HttpSenderSettings, trusted: readonly string[]) {
    this.#vault = vault
    this.#settings = { ...settings, keptBody: KEPT_BODY }
    this.#trusted = new Set(trusted)
  }

  /** @throws AldebaranError ADDRESS_REFUSED */
  check(url: string): void {
    const sender = this.#isTrusted(url) ? this.#ofTrusted() : this.#ofAll()
    sender.check(url)
  }

  /** @throws DeliveryError */
  async send(
    body: Uint8Array,
    type: string,
    endpoint: Endpoint,
    attempt: Attempt,
    lookups: LookupDetail | null = null,
  ): Promise<SendDetail> {
    const prepared = this.#prepare(endpoint, attempt.tenant, attempt.startedAt)
    const { signer, headers, identity, host, secrets } = prepared
    const sender = prepared.isTrusted ? this.#ofTrusted() : this.#ofAll()
    const outcome = await sender.post({
      url: endpoint.url,
      headers: [...headers, ...signer.headers(attempt.id, attempt.startedAt, body)],
      body,
      signal: attempt.signal,
      ...(identity === undefined ? {} : { identity }),
    })
    const detail: SendDetail = {
      type,
      status: outcome.status,
      ms: Math.round(outcome.totalMs),
      firstByteMs: Math.round(outcome.firstByteMs),
      host,
      contentType: outcome.contentType,
      body: withoutSecrets(outcome.body, secrets),
      ...(lookups === null ? {} : { lookups }),
    }
    const error = deliveryErrorOf(outcome, attempt.startedAt)
    if (error === null) return detail
    const { fate, message, retryAfter, isBlameless: blameless } = error
    throw new DeliveryError(fate, withoutSecrets(message, secrets), { retryAfter, detail, blameless })
  }

  /** Connections are ended; what is sent later opens others. */
  async close(): Promise<void> {
    const open = [this.#sender, this.#trustedSender]
    this.#sender = null
    this.#trustedSender = null
    await Promise.all(open.map(sender => sender?.close()))
  }

  #prepare(endpoint: Endpoint, account: string, now: number): Prepared {
    const known = this.#prepared.get(endpoint)
    if (known !== undefined && now < known.until) return known
    const own = headersOf(this.#vault, account, endpoint)
    const active = secretsAt(this.#vault, account, endpoint, now)
    const prepared: Prepared = {
      signer: new WebhookSigner(active.map(({ secret }) => secret)),
      headers: [
        'content-type',
        'application/json',
        'user-agent',
        'aldebaran-webhooks/1',
        ...Object.entries(own).flat(),
      ],
      identity: this.#identityOf(endpoint, account),
      host: new URL(endpoint.url).host,
      isTrusted: this.#isTrusted(endpoint.url),
      until: Math.min(...active.map(({ until }) => until || Number.POSITIVE_INFINITY)),
      secrets: [...Object.values(own), ...active.map(({ secret }) => secret)].filter(
        text => text.length >= SHORTEST_SECRET,
      ),
    }
    this.#prepared.set(endpoint, prepared)
    return prepared
  }

  #identityOf(endpoint: Endpoint, account: string): TlsIdentity | undefined {
    const { clientCertificate } = endpoint
    if (!clientCertificate) return undefined
    const { sealed } = clientCertificate
    let identity = this.#identities.get(sealed)
    if (identity === undefined) {
      const { certificate, key } = openIdentity(this.#vault, account, endpoint)!
      const { ca } = this.#settings.tls ?? {}
      identity = new TlsIdentity({ cert: certificate, key, ...(ca === undefined ? {} : { ca }) })
    }
    this.#identities.delete(sealed)
    this.#identities.set(sealed, identity)
    const most = this.#settings.tls?.ca === undefined ? MOST_IDENTITIES : MOST_WITH_AUTHORITIES
    if (this.#identities.size > most) this.#identities.delete(this.#identities.keys().next().value!)
    return identity
  }

  #isTrusted(url: string): boolean {
    return this.#trusted.has(URL.parse(url)?.origin ?? '')
  }

  #ofAll(): HttpSender {
    this.#sender ??= new HttpSender(this.#settings)
    return this.#sender
  }

  #ofTrusted(): HttpSender {
    if (this.#trustedSender === null) {
      const allow = [...this.#trusted].map(origin => new URL(origin).hostname.replace(/^\[(.*)\]$/, '$1'))
      this.#trustedSender = new HttpSender({ ...this.#settings, addresses: { http: true, ports: 'any', allow } })
    }
    return this.#trustedSender
  }
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) clean = clean.replaceAll(secret, '…')
  return clean
}
