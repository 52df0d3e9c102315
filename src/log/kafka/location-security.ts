/** The part of a Kafka location that is about TLS and SASL, with what the environment adds to it. */
import { readFileSync } from 'node:fs'
import { AldebaranError, messageOf } from '../../errors.ts'
import {
  PLAIN_TLS,
  SASL_MECHANISMS,
  type SaslSettings,
  type Secret,
  type Security,
  secret,
  type TlsSettings,
  type TokenSource,
} from './wire/security.ts'
import { isTokenUrl } from './wire/token-endpoint.ts'

export interface SecurityParts {
  /** The location begins with kafkas:. */
  readonly withTls: boolean
  readonly userInfo: { readonly username: string; readonly password: string | null } | null
  readonly parameters: ReadonlyMap<string, string>
  readonly environment: NodeJS.ProcessEnv
}

/** @throws AldebaranError OPTION_INVALID */
export function securityOf(parts: SecurityParts): Security {
  return { tls: tlsOf(parts), sasl: saslOf(parts) }
}

export function invalid(option: string, reason: string, cause?: unknown): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${option}: ${reason}`, { option }, cause)
}

interface Setting {
  /** As the user wrote it: the parameter or the variable. */
  readonly from: string
  readonly value: string
}

/** The parameter, else the variable of the environment; an empty variable is none. */
function setting(
  { parameters, environment }: SecurityParts,
  parameter: string | null,
  variable: string,
): Setting | null {
  const given = parameter === null ? undefined : parameters.get(parameter)
  if (given !== undefined) return { from: parameter!, value: given }
  const value = environment[variable]
  return value === undefined || value === '' ? null : { from: variable, value }
}

function needed(found: Setting | null, name: string, mechanism: string): string {
  if (found === null) throw invalid(name, `sasl=${mechanism} needs it`)
  return found.value
}

function tlsOf(parts: SecurityParts): TlsSettings | null {
  const authorities = setting(parts, 'ca', 'KAFKA_CA_FILE')
  const certificate = setting(parts, 'cert', 'KAFKA_CERT_FILE')
  const key = setting(parts, 'key', 'KAFKA_KEY_FILE')
  const serverName = setting(parts, 'server-name', 'KAFKA_SERVER_NAME')
  const passphrase = setting(parts, null, 'KAFKA_KEY_PASSPHRASE')
  const wanted = wantsTls(parts)
  if (wanted !== true) {
    const superfluous = [authorities, certificate, key, serverName].find(
      found => found !== null && (wanted === undefined || parts.parameters.has(found.from)),
    )
    if (superfluous) throw invalid(superfluous.from, 'it is for TLS: write kafkas:// (or tls=false to go without)')
    return null
  }
  if ((certificate === null) !== (key === null)) {
    const { from } = (certificate ?? key)!
    throw invalid(
      from,
      `certificate and key belong together: the ${certificate === null ? 'certificate' : 'key'} is missing`,
    )
  }
  return {
    ...PLAIN_TLS,
    authorities: authorities === null ? null : fileOf(authorities),
    certificate: certificate === null ? null : fileOf(certificate),
    key: key === null ? null : secret(fileOf(key)),
    passphrase: passphrase === null ? null : secret(passphrase.value),
    serverName: serverName?.value ?? null,
  }
}

/** Undefined: nothing was said. */
function wantsTls({ withTls, parameters }: SecurityParts): boolean | undefined {
  const tls = parameters.get('tls')
  if (tls !== undefined && tls !== 'true' && tls !== 'false') throw invalid('tls', `'${tls}' is neither true nor false`)
  if (withTls && tls === 'false') throw invalid('tls', 'kafkas:// means TLS: write kafka:// to go without')
  return tls === undefined ? withTls || undefined : tls === 'true'
}

function fileOf({ from, value }: Setting): string {
  try {
    return readFileSync(value, 'utf8')
  } catch (error) {
    throw invalid(from, messageOf(error), error)
  }
}

function saslOf(parts: SecurityParts): SaslSettings | null {
  const { parameters, userInfo } = parts
  const name = parameters.get('sasl')
  if (name === undefined) {
    const useless = ['token-url', 'scope'].find(parameter => parameters.has(parameter))
    if (userInfo !== null || useless !== undefined) {
      throw invalid('sasl', `${useless ?? 'a user name'} is there, so say how: sasl=${names().join(', sasl=')}`)
    }
    return null
  }
  const mechanism = SASL_MECHANISMS.find(known => known.toLowerCase() === name.toLowerCase())
  if (mechanism === undefined) throw invalid('sasl', `'${name}' is none of ${names().join(', ')}`)
  if (mechanism === 'OAUTHBEARER') return { mechanism, token: tokenOf(parts), extensions: extensionsOf(parts) }
  return { mechanism, ...credentialsOf(parts, name) }
}

function credentialsOf(parts: SecurityParts, mechanism: string): { username: string; password: Secret } {
  const { userInfo } = parts
  const username = userInfo?.username || needed(setting(parts, null, 'KAFKA_USERNAME'), 'KAFKA_USERNAME', mechanism)
  const password = userInfo?.password ?? needed(setting(parts, null, 'KAFKA_PASSWORD'), 'KAFKA_PASSWORD', mechanism)
  for (const [name, text] of Object.entries({ KAFKA_USERNAME: username, KAFKA_PASSWORD: password })) {
    if (text.includes('\0')) throw invalid(name, 'it contains NUL')
  }
  return { username, password: secret(password) }
}

function tokenOf(parts: SecurityParts): TokenSource {
  if (parts.userInfo !== null)
    throw invalid('sasl', 'oauthbearer takes no user name: set KAFKA_TOKEN or KAFKA_TOKEN_URL')
  const token = setting(parts, null, 'KAFKA_TOKEN')
  const tokenUrl = setting(parts, 'token-url', 'KAFKA_TOKEN_URL')
  if (token !== null && !parts.parameters.has('token-url')) return { kind: 'static', token: secret(token.value) }
  if (tokenUrl === null) throw invalid('KAFKA_TOKEN_URL', 'sasl=oauthbearer needs it, or KAFKA_TOKEN')
  if (!isTokenUrl(tokenUrl.value)) {
    throw invalid(tokenUrl.from, 'it is an https:// URL without user name (http:// on loopback only)')
  }
  const clientId = needed(setting(parts, null, 'KAFKA_CLIENT_ID'), 'KAFKA_CLIENT_ID', 'oauthbearer')
  const clientSecret = needed(setting(parts, null, 'KAFKA_CLIENT_SECRET'), 'KAFKA_CLIENT_SECRET', 'oauthbearer')
  const scope = setting(parts, 'scope', 'KAFKA_TOKEN_SCOPE')?.value ?? null
  return { kind: 'client-credentials', tokenUrl: tokenUrl.value, clientId, clientSecret: secret(clientSecret), scope }
}

/** `name=value,name=value` */
function extensionsOf(parts: SecurityParts): Record<string, string> {
  const found = setting(parts, null, 'KAFKA_SASL_EXTENSIONS')
  const pairs = found === null ? [] : found.value.split(',').map(pair => /^\s*([A-Za-z]+)=([\x20-\x7e]+)$/.exec(pair))
  return Object.fromEntries(
    pairs.map(pair => {
      if (pair === null || pair[1] === 'auth') throw invalid(found!.from, 'it is NAME=VALUE,NAME=VALUE')
      return [pair[1]!, pair[2]!]
    }),
  )
}

function names(): string[] {
  return SASL_MECHANISMS.map(mechanism => mechanism.toLowerCase())
}
