/** Certificates for the TLS listeners of test servers, made on the fly: an authority, and what it signed. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

interface KeyAndCertificate {
  /** Both PEM. */
  key: string
  certificate: string
}

export interface Certificates {
  /** PEM; a client that trusts it trusts the server. */
  authority: string
  /** For 127.0.0.1 and localhost. */
  server: KeyAndCertificate
  /** For a server that asks clients for one. */
  client: KeyAndCertificate
}

const VALID_MS = 24 * 3_600_000

/** An authority that is asked for certificates one by one. */
export interface Authority {
  /** PEM */
  certificate: string
  /** For a client. `until`: ms since 1970; default: a day from now. */
  issueClient(name: string, until?: number): KeyAndCertificate
  issueServer(): KeyAndCertificate
}

export function makeCertificates(): Certificates {
  const authority = makeAuthority()
  return { authority: authority.certificate, server: authority.issueServer(), client: authority.issueClient('client') }
}

export function makeAuthority(): Authority {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tomorrow = () => Date.now() + VALID_MS
  const issue = (subject: string, extensions: Buffer[], until: number): KeyAndCertificate => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return {
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      certificate: certificate(subject, publicKey, authority.privateKey, extensions, until),
    }
  }
  return {
    certificate: certificate(AUTHORITY, authority.publicKey, authority.privateKey, [IS_AUTHORITY], tomorrow()),
    issueClient: (name, until = tomorrow()) => issue(name, [], until),
    issueServer: () => issue('localhost', [FOR_LOOPBACK], tomorrow()),
  }
}

// X.509 in DER (RFC 5280, section 4.1): tag, length, value.

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const { length } = body
  const head =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >>> 8, length & 255]
  return Buffer.concat([Buffer.from(head), body])
}

const sequence = (...parts: Buffer[]) => der(0x30, ...parts)
const identifier = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const octets = (content: Buffer) => der(0x04, content)
const bits = (content: Buffer) => der(0x03, Buffer.from([0]), content)
const time = (ms: number) => der(0x17, Buffer.from(new Date(ms).toISOString().replace(/^..|[-T:]|\.\d+/g, '')))
/** A distinguished name that is one common name (2.5.4.3). */
const name = (text: string) => sequence(der(0x31, sequence(identifier('550403'), der(0x0c, Buffer.from(text)))))

const AUTHORITY = 'test authority'
const ECDSA_WITH_SHA256 = sequence(identifier('2a8648ce3d040302'))
const YES = der(0x01, Buffer.from([0xff]))
/** Basic constraints (2.5.29.19), critical: may sign others. */
const IS_AUTHORITY = sequence(identifier('551d13'), YES, octets(sequence(YES)))
/** Subject alternative names (2.5.29.17): what clients compare with where they connect to. */
const FOR_LOOPBACK = sequence(
  identifier('551d11'),
  octets(sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))),
)

function certificate(subject: string, key: KeyObject, signer: KeyObject, extensions: Buffer[], until: number): string {
  // A positive number: the first bit is not set, the first byte is not zero.
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(15)])
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    name(AUTHORITY),
    sequence(time(Math.min(Date.now(), until) - VALID_MS), time(until)),
    name(subject),
    key.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [der(0xa3, sequence(...extensions))] : []),
  )
  const whole = sequence(content, ECDSA_WITH_SHA256, bits(sign('sha256', content, signer)))
  return `-----BEGIN CERTIFICATE-----\n${whole.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`
}
