import { AldebaranError } from '../errors.ts'
import { parseSize } from '../pipeline/units.ts'
import type { Report } from '../runtime/worker-host.ts'
import type { HttpMetric } from './application-metrics.ts'
import type { HttpRoute } from './application-routes.ts'

export interface HttpSettings {
  /** Where to listen. Default 127.0.0.1; anything but loopback needs tokens. */
  host?: string
  /** Default 8000; 0: any free port. */
  port?: number
  /** Any of them, as a Bearer token, opens the API. Default: ALDEBARAN_TOKENS, separated by commas. */
  tokens?: readonly string[]
  /** Largest request body. Default '16MB'. */
  bodyLimit?: string | number
  /** Serve the browser console. Default true. */
  console?: boolean
  /** Routes of the application, beside those that every one has. */
  routes?: readonly HttpRoute[]
  /** Metrics of the application, beside those that every one has. */
  metrics?: readonly HttpMetric[]
  /** Told of requests that failed by a defect. Default: nobody. */
  report?: Report
}

/** The settings as the server uses them. */
export interface CompiledHttpSettings {
  host: string
  port: number
  loopback: boolean
  tokens: readonly string[]
  bodyLimit: number
  console: boolean
  routes: readonly HttpRoute[]
  metrics: readonly HttpMetric[]
  report: Report
}

const SHORTEST_TOKEN = 16
/** A body is held in memory several times over while it is taken apart. */
const LARGEST_BODY = 256 * 1024 * 1024

/** Throws OPTION_INVALID, and CREDENTIALS_NEEDED for an open bind without tokens. */
export function compileHttpSettings(settings: HttpSettings, environment: NodeJS.ProcessEnv): CompiledHttpSettings {
  const host = settings.host ?? '127.0.0.1'
  const port = settings.port ?? 8000
  if (host === '') throw new AldebaranError('OPTION_INVALID', 'host: it is empty', { option: 'host' })
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new AldebaranError('OPTION_INVALID', `port: ${port} is not a port from 0 to 65535`, { option: 'port' })
  }
  const bodyLimit = parseSize(settings.bodyLimit ?? '16MB', 'bodyLimit')
  if (bodyLimit < 1 || bodyLimit > LARGEST_BODY) {
    throw new AldebaranError('OPTION_INVALID', `bodyLimit: ${bodyLimit} is not from 1 to ${LARGEST_BODY} bytes`, {
      option: 'bodyLimit',
    })
  }
  const tokens = settings.tokens ?? tokensOf(environment.ALDEBARAN_TOKENS)
  for (const token of tokens) {
    // Never the token itself: messages end up in logs.
    if (token.length < SHORTEST_TOKEN || !/^[\x21-\x7e]+$/.test(token)) {
      throw new AldebaranError(
        'OPTION_INVALID',
        `tokens: each has at least ${SHORTEST_TOKEN} printable ASCII characters, and no spaces`,
        { option: 'tokens' },
      )
    }
  }
  const loopback = isLoopback(host)
  if (!loopback && tokens.length === 0) {
    throw new AldebaranError('CREDENTIALS_NEEDED', `${host} can be reached from elsewhere, and there are no tokens`, {
      host,
    })
  }
  return {
    host,
    port,
    loopback,
    tokens,
    bodyLimit,
    console: settings.console ?? true,
    routes: settings.routes ?? [],
    metrics: settings.metrics ?? [],
    report: settings.report ?? (() => {}),
  }
}

function tokensOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map(token => token.trim())
    .filter(token => token !== '')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}
