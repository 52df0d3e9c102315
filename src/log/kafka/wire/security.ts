/** How connections prove who they are, and learn who answers. All of it may be cloned to a thread. */
import { createSecretKey, type KeyObject } from 'node:crypto'

export interface Security {
  /** Null: no TLS. */
  readonly tls: TlsSettings | null
  /** Null: no SASL. */
  readonly sasl: SaslSettings | null
}

/** Certificates and keys are texts in PEM. The certificate of the broker is always verified. */
export interface TlsSettings {
  /** Who may have signed the certificate of the broker. Null: the authorities that Node trusts. */
  readonly authorities: string | null
  /** What the client shows; null: nothing. */
  readonly certificate: string | null
  readonly key: Secret | null
  /** Of the key; null: it has none. */
  readonly passphrase: Secret | null
  /** The name on the certificate of the broker; null: the host it is connected to by. */
  readonly serverName: string | null
}

export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const

export type SaslSettings =
  | { readonly mechanism: 'PLAIN' | ScramMechanism; readonly username: string; readonly password: Secret }
  | {
      readonly mechanism: 'OAUTHBEARER'
      readonly token: TokenSource
      /** Some services want to be told more, such as the cluster that is meant. */
      readonly extensions: Readonly<Record<string, string>>
    }

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

/** Where the token of OAUTHBEARER comes from: itself, or the client credentials of an identity provider. */
export type TokenSource = StaticToken | ClientCredentials

export interface StaticToken {
  readonly kind: 'static'
  readonly token: Secret
}

export interface ClientCredentials {
  readonly kind: 'client-credentials'
  /** HTTPS; HTTP on loopback only. */
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: Secret
  readonly scope: string | null
}

/** A text that neither `inspect` nor JSON nor a log shows, and that can still be cloned to a thread. */
export type Secret = KeyObject

export function secret(text: string): Secret {
  return createSecretKey(text, 'utf8')
}

/** For the place that sends it, and nowhere else. */
export function revealed(secret: Secret): string {
  return secret.export().toString('utf8')
}

export const NO_SECURITY: Security = { tls: null, sasl: null }
export const PLAIN_TLS: TlsSettings = {
  authorities: null,
  certificate: null,
  key: null,
  passphrase: null,
  serverName: null,
}
