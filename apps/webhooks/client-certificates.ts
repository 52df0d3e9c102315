/**
 * Who an endpoint is shown that we are, by TLS: a certificate with its key.
 *
 * 1. The key is nowhere in clear but in memory: it is sealed, bound to its endpoint, and shown to nobody.
 * 2. What is kept was read before, and is written anew: it holds what was asked for and nothing beside it.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { AldebaranError, TlsIdentity } from 'aldebaran'
import type { ClientCertificate, Endpoint } from './accounts.ts'
import { placeOf, type Vault } from './sealing.ts'

/** PEM: a certificate, the one of ours first, and its key. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

const LONGEST_CERTIFICATE = 32_000
const LONGEST_KEY = 16_000
const MOST_CERTIFICATES = 10
const SOON_MS = 30 * 86_400_000

/**
 * Reads what was given.
 * @param now ms since 1970
 * @throws AldebaranError VALUE_INVALID it is none, its parts do not belong together, or it has expired
 */
export function parseIdentity({ certificate, key }: Identity, now: number): Identity {
  checkLength('certificate', certificate, LONGEST_CERTIFICATE)
  checkLength('key', key, LONGEST_KEY)
  const chain = readChain(certificate)
  const [own] = chain as [X509Certificate]
  const privateKey = readKey(key)
  if (!own.checkPrivateKey(privateKey)) {
    throw invalid('key', 'belongs to another certificate: the certificate of this client stands first')
  }
  if (own.validToDate.getTime() <= now) {
    throw invalid('certificate', `has expired at ${own.validToDate.toISOString()}: use one that is valid`)
  }
  const identity = {
    certificate: chain.map(one => one.toString()).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
  try {
    new TlsIdentity({ cert: identity.certificate, key: identity.key })
  } catch (error) {
    throw invalid('certificate', `cannot be used: ${(error as Error).message}`)
  }
  return identity
}

/** `identity`: as `parseIdentity` gives it. */
export function sealIdentity(vault: Vault, account: string, endpoint: string, identity: Identity): ClientCertificate {
  const { subject, issuer, validToDate, fingerprint256 } = new X509Certificate(identity.certificate)
  return {
    sealed: vault.seal(JSON.stringify(identity), placeOf(account, endpoint)),
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    expiresAt: validToDate.getTime(),
    fingerprint: fingerprint256,
  }
}

/** Null: the endpoint has none of its own. @throws AldebaranError SECRET_INVALID */
export function openIdentity(vault: Vault, account: string, endpoint: Endpoint): Identity | null {
  const { id, clientCertificate } = endpoint
  if (!clientCertificate) return null
  return JSON.parse(vault.open(clientCertificate.sealed, placeOf(account, id))) as Identity
}

/** Without its key. `now`: ms since 1970. */
export function viewCertificate({ sealed: _, ...shown }: ClientCertificate, now: number) {
  const left = shown.expiresAt - now
  return { ...shown, state: left <= 0 ? 'expired' : left <= SOON_MS ? 'expires soon' : 'valid' }
}

function readChain(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw invalid('certificate', 'is no certificate in PEM: -----BEGIN CERTIFICATE----- …')
  if (blocks.length > MOST_CERTIFICATES) throw invalid('certificate', `has more than ${MOST_CERTIFICATES} in its chain`)
  return blocks.map(block => {
    try {
      return new X509Certificate(block)
    } catch {
      throw invalid('certificate', 'cannot be read')
    }
  })
}

/** What OpenSSL says of a key could hold some of it. */
function readKey(text: string): KeyObject {
  if (/ENCRYPTED/.test(text)) {
    throw invalid('key', 'is encrypted: send it without a passphrase, as openssl pkey writes it; it is sealed here')
  }
  try {
    return createPrivateKey(text)
  } catch {
    throw invalid('key', 'is no private key in PEM: -----BEGIN PRIVATE KEY----- …')
  }
}

function checkLength(field: keyof Identity, text: unknown, longest: number): void {
  if (typeof text === 'string' && text !== '' && text.length <= longest) return
  throw invalid(field, `is a text of 1 to ${longest} characters`)
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ').slice(0, 500)
}

function invalid(field: keyof Identity, problem: string): AldebaranError {
  const path = `clientCertificate.${field}`
  return new AldebaranError('VALUE_INVALID', `${path} ${problem}`, { path })
}
