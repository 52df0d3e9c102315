/**
 * Where Kafka is and how to get in, as one line: `kafka://host:port,host:port?option=value`. `kafkas://` means TLS.
 *
 * No message ever quotes a part of the location that may hold a secret, and secrets are no parameters: they come from
 * the environment, or from the user info.
 */
import { isIPv6 } from 'node:net'
import { invalid, securityOf } from './location-security.ts'
import type { Security } from './wire/security.ts'
import type { Endpoint } from './wire/socket.ts'

export const GUARANTEES = ['exactly-once', 'at-least-once'] as const
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export type Guarantee = (typeof GUARANTEES)[number]
export type Compression = (typeof COMPRESSIONS)[number]

export interface KafkaLocation {
  readonly bootstrap: readonly Endpoint[]
  readonly security: Security
  readonly guarantee?: Guarantee
  /** Of what is written. */
  readonly compression?: Compression
  /** Replicas of topics that are created. */
  readonly replication?: number
  /** Processes that keep a copy of each table, besides the one that writes it. */
  readonly standbys?: number
  /** The folder for copies of tables. */
  readonly stateDir?: string
  /** The name of this process among those of the application. */
  readonly node?: string
  /** Where the other processes reach this one. */
  readonly peer?: Endpoint
}

const DEFAULT_PORT = 9092
const LOCATION = /^(kafkas?):\/\/(?:([^@/?#]*)@)?([^@/?#]+)\/?(?:\?([^@#]*))?$/
const PARAMETERS = [
  ...['tls', 'ca', 'cert', 'key', 'server-name', 'sasl', 'token-url', 'scope'],
  ...['guarantee', 'compression', 'replication', 'standbys', 'state', 'node', 'peer'],
]
const MOST_REPLICAS = 32_767
const MOST_STANDBYS = 1000

export function isKafkaLocation(text: string): boolean {
  return /^kafkas?:/.test(text)
}

/** @throws AldebaranError OPTION_INVALID */
export function parseKafkaLocation(text: string, environment: NodeJS.ProcessEnv): KafkaLocation {
  const match = LOCATION.exec(text)
  if (match === null) {
    throw invalid(
      'location',
      'a Kafka location is kafka://HOST:PORT,HOST:PORT?OPTION=VALUE; write @ / ? # in a user name or password as %40 %2F %3F %23',
    )
  }
  const [, scheme, userInfo, hosts, query] = match
  const parameters = parametersOf(query ?? '')
  const bootstrap = hosts!.split(',').map(host => endpointOf(host, 'location', DEFAULT_PORT))
  const security = securityOf({
    withTls: scheme === 'kafkas',
    userInfo: userInfo === undefined ? null : userInfoOf(userInfo),
    parameters,
    environment,
  })
  const { guarantee, compression, replication, standbys, state, node, peer } = Object.fromEntries(parameters)
  return {
    bootstrap,
    security,
    ...(guarantee === undefined ? {} : { guarantee: oneOf('guarantee', guarantee, GUARANTEES) }),
    ...(compression === undefined ? {} : { compression: oneOf('compression', compression, COMPRESSIONS) }),
    ...(replication === undefined ? {} : { replication: wholeNumber('replication', replication, 1, MOST_REPLICAS) }),
    ...(standbys === undefined ? {} : { standbys: wholeNumber('standbys', standbys, 0, MOST_STANDBYS) }),
    ...(state === undefined ? {} : { stateDir: state }),
    ...(node === undefined ? {} : { node }),
    ...(peer === undefined ? {} : { peer: endpointOf(peer, 'peer', null) }),
  }
}

/** The location for people and logs: without secrets. */
export function describeLocation(location: KafkaLocation): string {
  const { bootstrap, security, guarantee, compression, replication, standbys, stateDir, node, peer } = location
  const { tls, sasl } = security
  const user = sasl !== null && 'username' in sasl ? `${encodeURIComponent(sasl.username)}@` : ''
  const options = { guarantee, compression, replication, standbys, state: stateDir, node, peer: peer && textOf(peer) }
  const parts = Object.entries({ sasl: sasl?.mechanism.toLowerCase(), ...options })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`)
  const query = parts.length === 0 ? '' : `?${parts.join('&')}`
  return `${tls === null ? 'kafka' : 'kafkas'}://${user}${bootstrap.map(textOf).join(',')}${query}`
}

function textOf({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function parametersOf(query: string): Map<string, string> {
  const parameters = new Map<string, string>()
  const given = [...new URLSearchParams(query)]
  const unknown = given.map(([name]) => name).filter(name => !PARAMETERS.includes(name))
  if (unknown.length > 0) {
    // A name that looks like none may be a piece of something that was not meant to be seen.
    const shown = unknown.map(name => (/^[a-zA-Z-]{1,20}$/.test(name) ? name : 'a parameter'))
    throw invalid(shown.join(', '), `there are ${PARAMETERS.join(', ')}`)
  }
  for (const [name, value] of given) {
    if (parameters.has(name)) throw invalid(name, 'it is there twice')
    if (value === '') throw invalid(name, 'it is empty')
    parameters.set(name, value)
  }
  return parameters
}

function userInfoOf(text: string): { username: string; password: string | null } {
  const colon = text.indexOf(':')
  try {
    const username = decodeURIComponent(colon < 0 ? text : text.slice(0, colon))
    return { username, password: colon < 0 ? null : decodeURIComponent(text.slice(colon + 1)) }
  } catch {
    throw invalid('location', 'user name and password are percent-encoded: write % as %25')
  }
}

function endpointOf(text: string, option: string, defaultPort: number | null): Endpoint {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  const named = match?.[1] === undefined ? /^[A-Za-z0-9._-]+$/.test(host) : isIPv6(host)
  if (!named || port === null || port < 1 || port > 65_535) {
    const example = defaultPort === null ? 'HOST:PORT' : 'HOST or HOST:PORT'
    throw invalid(option, `an address is ${example} with a port from 1 to 65535, IPv6 as [::1]:9092`)
  }
  return { host, port }
}

function oneOf<T extends string>(option: string, value: string, choices: readonly T[]): T {
  const found = choices.find(choice => choice === value)
  if (found === undefined) throw invalid(option, `'${value}' is none of ${choices.join(', ')}`)
  return found
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most)) throw invalid(option, `'${text}' is no whole number from ${least} to ${most}`)
  return value
}
