/**
 * Which addresses may be sent to. Those who name an endpoint are not always those who run this: without rules they could
 * reach what only this machine can reach (SSRF).
 *
 * Invariants
 * 1. What is not known to be a public address is refused: the ranges below are those in which nobody public lives.
 * 2. An address is judged as the connection will use it: as text of an IP, never as the text somebody wrote.
 * 3. Every address of a name is judged; one that is refused refuses the name.
 * 4. Metadata services are refused also for a host that is allowed: only a range allows them.
 */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { AldebaranError } from '../../errors.ts'

export interface AddressRules {
  /** Also addresses with `http:`. Default false. */
  http?: boolean
  /** Ports that may be named. Default 443 and 8443, and with `http` 80 and 8080. */
  ports?: readonly number[] | 'any'
  /**
   * What may be reached although it is not public: ranges (`10.1.0.0/16`), addresses, hosts (`hooks.example`,
   * `*.example`). Default: none.
   */
  allow?: readonly string[]
}

/** An address that may be sent to, apart from what its name will turn out to mean. */
export interface CheckedUrl {
  /** `https://host:port`, the port only if it is not the usual one. */
  readonly origin: string
  /** With the query, without the fragment. */
  readonly path: string
}

type IpAddress = ipaddr.IPv4 | ipaddr.IPv6

const LONGEST_URL = 4096
const LONGEST_HOST = 253
const METADATA = ['169.254.0.0/16', 'fd00:ec2::/32', 'fd20:ce::/32', '100.100.100.200/32', '192.0.0.192/32'].map(
  parseRange,
)
/** Of IPv6 only this part has been given out (RFC 4291); special ranges of it are refused too. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')
const IN_WORDS: Readonly<Record<string, string>> = {
  linkLocal: 'link-local',
  carrierGradeNat: 'carrier-grade NAT',
  uniqueLocal: 'private',
  ipv4Mapped: 'IPv4 within IPv6',
  rfc6145: 'IPv4 within IPv6',
  rfc6052: 'IPv4 within IPv6',
  '6to4': 'IPv4 within IPv6',
  teredo: 'IPv4 within IPv6',
}

/** The rules as they are used, of `AddressRules`. */
export class Addresses {
  readonly #http: boolean
  readonly #ports: ReadonlySet<number> | null
  readonly #ranges: readonly [IpAddress, number][] = []
  readonly #hosts = new Set<string>()
  /** '.example' for '*.example'. */
  readonly #endings: string[] = []

  /** @throws AldebaranError OPTION_INVALID */
  constructor(rules: AddressRules = {}) {
    this.#http = rules.http ?? false
    const ports = rules.ports ?? (this.#http ? [443, 8443, 80, 8080] : [443, 8443])
    this.#ports = ports === 'any' ? null : new Set(ports.map(checkPort))
    const ranges: [IpAddress, number][] = []
    for (const entry of rules.allow ?? []) {
      const range = rangeOf(entry)
      if (range !== null) ranges.push(range)
      else if (/^\*\.[^*/:]+$/.test(entry)) this.#endings.push(hostOf(entry.slice(2), entry, '.'))
      else this.#hosts.add(hostOf(entry, entry, ''))
    }
    this.#ranges = ranges
  }

  /**
   * Reads an address as it will be connected to, and judges what can be judged before its name is looked up.
   * @throws AldebaranError ADDRESS_REFUSED
   */
  check(text: string): CheckedUrl {
    const url = text.length > LONGEST_URL ? null : URL.parse(text)
    if (url === null) throw refused('the address of the endpoint is not a URL', '')
    const { protocol, username, password } = url
    const isSecure = protocol === 'https:'
    if (!isSecure && protocol !== 'http:') throw refused(`${protocol} is neither https: nor http:`, url.hostname)
    if (!isSecure && !this.#http) throw refused('http: is not allowed, only https:', url.hostname)
    if (username !== '' || password !== '') throw refused('credentials in an address are not allowed', url.hostname)
    // A name with a full stop behind it is the same name, and another one for certificates.
    const host = url.hostname.replace(/\.$/, '')
    if (host === '' || host.length > LONGEST_HOST || /^\.|\.$|\.\./.test(host)) {
      throw refused(`'${host}' is not the name of a host`, host)
    }
    const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port)
    if (this.#ports !== null && !this.#ports.has(port)) throw refused(`port ${port} is not allowed`, host)
    const address = addressIn(host)
    if (address !== null) this.checkAll([address], host)
    else if (isLoopbackName(host)) this.checkAll(LOOPBACK, host)
    return {
      origin: `${protocol}//${host}${url.port === '' ? '' : `:${url.port}`}`,
      path: url.pathname + url.search,
    }
  }

  /**
   * Judges what a host means.
   * @throws AldebaranError ADDRESS_REFUSED
   */
  checkAll(addresses: readonly string[], host: string): void {
    for (const address of addresses) {
      const kind = this.refusal(address, host)
      if (kind !== null) throw refused(`${host} is a ${kind} address`, host)
    }
  }

  /** What kind of address it is that may not be sent to; null: it may. `host`: by what name it was found. */
  refusal(text: string, host: string): string | null {
    if (isIP(text) === 0) return 'malformed'
    const address = ipaddr.parse(text)
    // Connected to, it is the IPv4 address: the ranges of IPv4 allow it.
    const meant = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address
    if (isWithin(meant, this.#ranges)) return null
    if (isWithin(meant, METADATA)) return 'metadata or link-local'
    if (this.#allowsHost(host)) return null
    const range: string = address.range()
    if (range !== 'unicast') return IN_WORDS[range] ?? range
    if (address instanceof ipaddr.IPv6 && !address.match(GLOBAL_IPV6)) return 'reserved'
    return null
  }

  #allowsHost(host: string): boolean {
    return this.#hosts.has(host) || this.#endings.some(ending => host.endsWith(ending))
  }
}

/** What `localhost` means, whatever a server of names says (RFC 6761). */
export const LOOPBACK: readonly string[] = ['127.0.0.1', '::1']

export function isLoopbackName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}

/** The IP address that the host of a URL is; null: it is a name. */
export function addressIn(host: string): string | null {
  if (host.startsWith('[')) return host.slice(1, -1)
  return ipaddr.IPv4.isValidFourPartDecimal(host) ? host : null
}

function refused(problem: string, host: string): AldebaranError {
  return new AldebaranError('ADDRESS_REFUSED', `It may not be sent there: ${problem}`, { host })
}

/**
 * For settings that are used later, and are to be right from the start.
 * @throws AldebaranError OPTION_INVALID
 */
export function checkAddressRules(rules: AddressRules): void {
  new Addresses(rules)
}

function isWithin(address: IpAddress, ranges: readonly (readonly [IpAddress, number])[]): boolean {
  for (const [network, bits] of ranges) {
    if (address instanceof ipaddr.IPv4) {
      if (network instanceof ipaddr.IPv4 && address.match(network, bits)) return true
    } else if (network instanceof ipaddr.IPv6 && address.match(network, bits)) return true
  }
  return false
}

function parseRange(text: string): [IpAddress, number] {
  return ipaddr.parseCIDR(text)
}

function rangeOf(entry: string): [IpAddress, number] | null {
  if (entry.includes('/')) {
    if (ipaddr.IPv4.isValidCIDRFourPartDecimal(entry) || ipaddr.IPv6.isValidCIDR(entry)) return parseRange(entry)
    throw optionInvalid('allow', `'${entry}' is not a range of addresses such as 10.1.0.0/16`)
  }
  const address = entry.replace(/^\[(.*)\]$/, '$1')
  if (ipaddr.IPv6.isValid(address)) return parseRange(`${address}/128`)
  return ipaddr.IPv4.isValidFourPartDecimal(address) ? parseRange(`${address}/32`) : null
}

/** As `URL` writes it, so that the same host is the same text. */
function hostOf(name: string, entry: string, before: string): string {
  const host = URL.parse(`https://${name}`)?.host
  if (host === undefined || !/^[\w-]+(?:\.[\w-]+)*$/.test(host)) {
    throw optionInvalid('allow', `'${entry}' is neither a range of addresses nor a host such as hooks.example`)
  }
  return before + host
}

function checkPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw optionInvalid('ports', `${port} is not a port`)
}

function optionInvalid(option: string, problem: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${option}: ${problem}`, { option })
}
