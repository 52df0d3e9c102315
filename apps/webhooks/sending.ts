/**
 * One try of one event at one endpoint, by Standard Webhooks 1.0.0.
 *
 * 1. The endpoint is read anew with each try: its address, its secrets and its headers may have changed.
 * 2. What is recorded of a try holds no secret, also where a receiver sends back what it got.
 */
import { type Attempt, DeliveryError } from 'aldebaran'
import { deliveryErrorOf, HttpSender, type HttpSenderSettings, WebhookSigner } from 'aldebaran/webhooks'
import type { Endpoint } from './accounts.ts'
import { headersOf, secretsAt } from './endpoint-secrets.ts'
import type { Vault } from './sealing.ts'

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
}

interface Prepared {
  readonly signer: WebhookSigner
  readonly headers: readonly string[]
  readonly host: string
  /** The first of its secrets ends then, ms since 1970. */
  readonly until: number
  /** Values that must not be recorded. */
  readonly secrets: readonly string[]
}

/** Of an answer, in the record of the try. */
const KEPT_BODY = 1024
/** Shorter values of headers are no secrets, and stand in any text. */
const SHORTEST_SECRET = 8

export class WebhookSender {
  readonly #vault: Vault
  readonly #settings: HttpSenderSettings
  readonly #trusted: ReadonlySet<string>
  readonly #prepared = new WeakMap<Endpoint, Prepared>()
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
    this.#senderFor(url).check(url)
  }

  /** @throws DeliveryError */
  async send(body: Uint8Array, type: string, endpoint: Endpoint, attempt: Attempt): Promise<SendDetail> {
    const { signer, headers, host, secrets } = this.#prepare(endpoint, attempt.tenant, attempt.startedAt)
    const outcome = await this.#senderFor(endpoint.url).post({
      url: endpoint.url,
      headers: [...headers, ...signer.headers(attempt.id, attempt.startedAt, body)],
      body,
      signal: attempt.signal,
    })
    const detail: SendDetail = {
      type,
      status: outcome.status,
      ms: Math.round(outcome.totalMs),
      firstByteMs: Math.round(outcome.firstByteMs),
      host,
      contentType: outcome.contentType,
      body: withoutSecrets(outcome.body, secrets),
    }
    const error = deliveryErrorOf(outcome, attempt.startedAt)
    if (error === null) return detail
    const { fate, message, retryAfter } = error
    throw new DeliveryError(fate, withoutSecrets(message, secrets), { retryAfter, detail })
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
      host: new URL(endpoint.url).host,
      until: Math.min(...active.map(({ until }) => until || Number.POSITIVE_INFINITY)),
      secrets: [...Object.values(own), ...active.map(({ secret }) => secret)].filter(
        text => text.length >= SHORTEST_SECRET,
      ),
    }
    this.#prepared.set(endpoint, prepared)
    return prepared
  }

  #senderFor(url: string): HttpSender {
    const parsed = URL.parse(url)
    if (parsed === null || !this.#trusted.has(parsed.origin)) {
      this.#sender ??= new HttpSender(this.#settings)
      return this.#sender
    }
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
