/** The secrets of an endpoint, opened: what it signs with, and the values of its headers. */
import { randomBytes } from 'node:crypto'
import { generateWebhookKeyPair, generateWebhookSecret, WebhookSigner, webhookPublicKey } from 'aldebaran/webhooks'
import type { Endpoint, EndpointFields, EndpointSecret } from './accounts.ts'
import { type Identity, sealIdentity } from './client-certificates.ts'
import { placeOf, type Vault } from './sealing.ts'

export type SignatureScheme = 'v1' | 'v1a'

export interface OpenedSecret {
  readonly secret: string
  /** ms since 1970; 0: nothing has replaced it. */
  readonly until: number
}

export interface NewEndpoint {
  readonly fields: Pick<Endpoint, 'url'> &
    Partial<Omit<EndpointFields, 'headers' | 'headerNames' | 'clientCertificate'>>
  readonly headers?: Record<string, string> | undefined
  readonly clientCertificate?: Identity | null | undefined
  readonly scheme?: SignatureScheme | undefined
  /** Default: a new one. */
  readonly secret?: string | undefined
}

/** Those that sign at a time, the newest first. */
export function secretsAt(vault: Vault, account: string, { id, secrets }: Endpoint, now: number): OpenedSecret[] {
  return secrets
    .filter(({ until }) => until === 0 || until > now)
    .map(({ sealed, until }) => ({ secret: vault.open(sealed, placeOf(account, id)), until }))
}

/** What the owner verifies with: the secret itself, or the public key. The private one is shown to nobody. */
export function verifiersAt(vault: Vault, account: string, endpoint: Endpoint, now: number) {
  return secretsAt(vault, account, endpoint, now).map(({ secret, until }) => ({
    ...(secret.startsWith('whsk_') ? { publicKey: webhookPublicKey(secret) } : { secret }),
    until,
  }))
}

/** @throws AldebaranError SECRET_INVALID `given` is none */
export function newSecret(
  vault: Vault,
  account: string,
  endpoint: string,
  scheme: SignatureScheme,
  given: string | undefined,
  now: number,
): EndpointSecret {
  const secret = given ?? (scheme === 'v1a' ? generateWebhookKeyPair().privateKey : generateWebhookSecret())
  // Checks it.
  new WebhookSigner(secret)
  return {
    id: randomBytes(6).toString('hex'),
    sealed: vault.seal(secret, placeOf(account, endpoint)),
    createdAt: now,
    until: 0,
  }
}

/** An endpoint as it is asked for: what is not given is as usual. @throws AldebaranError SECRET_INVALID */
export function newEndpoint(vault: Vault, account: string, input: NewEndpoint, now: number): Endpoint {
  const { fields, headers = {}, clientCertificate = null, scheme = 'v1', secret } = input
  const id = `ep_${randomBytes(12).toString('base64url')}`
  return {
    id,
    description: '',
    types: ['*'],
    status: 'enabled',
    reason: '',
    statusAt: now,
    rate: '',
    concurrency: 0,
    headers: sealHeaders(vault, account, id, headers),
    headerNames: Object.keys(headers),
    clientCertificate: clientCertificate === null ? null : sealIdentity(vault, account, id, clientCertificate),
    secrets: [newSecret(vault, account, id, scheme, secret, now)],
    createdAt: now,
    updatedAt: now,
    ...fields,
  }
}

/** What its newest secret signs by. */
export function schemeOf(vault: Vault, account: string, { id, secrets }: Endpoint): SignatureScheme {
  return vault.open(secrets[0]!.sealed, placeOf(account, id)).startsWith('whsk_') ? 'v1a' : 'v1'
}

export function sealHeaders(vault: Vault, account: string, id: string, headers: Record<string, string>): string {
  return Object.keys(headers).length === 0 ? '' : vault.seal(JSON.stringify(headers), placeOf(account, id))
}

export function headersOf(vault: Vault, account: string, { id, headers }: Endpoint): Record<string, string> {
  return headers === '' ? {} : (JSON.parse(vault.open(headers, placeOf(account, id))) as Record<string, string>)
}
