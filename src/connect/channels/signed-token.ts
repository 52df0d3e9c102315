/** JSON Web Tokens (RFC 7519) signed with a private key, as providers want them. */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { invalid } from './options.ts'

export type TokenAlgorithm = 'ES256' | 'RS256'

/** @throws AldebaranError OPTION_INVALID: it is no PEM of a key for the algorithm */
export function privateKey(option: string, pem: unknown, algorithm: TokenAlgorithm): KeyObject {
  let key: KeyObject
  try {
    // Environment variables often have line breaks as two characters.
    key = createPrivateKey(String(pem).replaceAll('\\n', '\n'))
  } catch {
    // The error of Node is left out: it knows what the key looks like.
    throw invalid(option, 'it must be a private key as PEM')
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const fits = algorithm === 'RS256' ? type === 'rsa' : type === 'ec' && details?.namedCurve === 'prime256v1'
  if (!fits)
    throw invalid(option, algorithm === 'RS256' ? 'it must be an RSA key' : 'it must be a key of the curve P-256')
  return key
}

export function signToken(algorithm: TokenAlgorithm, keyId: string, claims: object, key: KeyObject): string {
  const content = `${encode({ alg: algorithm, typ: 'JWT', kid: keyId })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' })
  return `${content}.${signature.toString('base64url')}`
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
