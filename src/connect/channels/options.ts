/** Checks of settings that several channels have. All throw AldebaranError OPTION_INVALID, naming the option. */
import { isIP } from 'node:net'
import { AldebaranError } from '../../errors.ts'
import { parseDuration } from '../../pipeline/units.ts'
import { isPlain } from './channel.ts'

const DEFAULT_TIMEOUT = '20s'
const LONGEST_TIMEOUT_MS = 600_000

export interface ChannelOptions {
  /** As it is called in messages. Default: the kind of the channel. */
  name?: string
  /** For one try. It should be shorter than the `timeout` of the delivery. Default '20s', at most '10m'. */
  timeout?: string | number
}

/** As `tls.connect` of Node takes them. */
export interface TlsOptions {
  ca?: string | Buffer | (string | Buffer)[]
  cert?: string | Buffer
  key?: string | Buffer
  passphrase?: string
  servername?: string
}

/** Never with the value: it may be a secret. */
export function invalid(option: string, why: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${option}: ${why}`, { option })
}

/** One line of text. */
export function requireText(option: string, value: unknown, longest = 1000): string {
  if (typeof value === 'string' && isPlain(value, longest)) return value
  throw invalid(option, `it must be a text of 1 to ${longest} characters, on one line`)
}

/** A text, or a function that finds it. */
export function requireRecipient<T>(option: string, value: T): T {
  if (typeof value !== 'function') requireText(option, value)
  return value
}

export function requireTimeout(option: string, value: string | number | undefined): number {
  const ms = parseDuration(value ?? DEFAULT_TIMEOUT, option)
  if (ms < 1 || ms > LONGEST_TIMEOUT_MS) throw invalid(option, 'it must be from 1ms to 10m')
  return ms
}

export function requirePort(option: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535) return value
  throw invalid(option, 'it must be a whole number from 1 to 65535')
}

/**
 * An http or https address without credentials. `secret`: what goes there is for no other ears, so it must be https, but on
 * this machine.
 */
export function requireEndpoint(option: string, value: unknown, secret: boolean): URL {
  const url = typeof value === 'string' ? URL.parse(value) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw invalid(option, 'it must be an http or https address')
  }
  if (url.username !== '' || url.password !== '') throw invalid(option, 'credentials have options of their own')
  if (url.hash !== '') throw invalid(option, 'an address of a request has no fragment')
  if (secret && url.protocol !== 'https:' && !isLoopback(url.hostname)) {
    throw invalid(option, 'it must begin with https: credentials go there')
  }
  return url
}

export function isLoopback(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

/** `base` and the path below it. */
export function below(base: URL, path: string): URL {
  return new URL(base.pathname.replace(/\/+$/, '') + path, base)
}
