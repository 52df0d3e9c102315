/**
 * The settings of the notifier in the environment:
 *
 * WEBHOOKS_KEY                   32 bytes in base64: what secrets are sealed with; several with commas, the first seals
 * WEBHOOKS_PARTITIONS            of each topic, fixed with the first start (default 4)
 * WEBHOOKS_RETRY                 waits between the tries (default 5s,5m,30m,2h,5h,10h,14h,20h,24h)
 * WEBHOOKS_TIMEOUT               of one try (default 20s)
 * WEBHOOKS_DISABLE_AFTER         of nothing but failures (default 5d)
 * WEBHOOKS_DEDUPLICATE           how long ids are remembered (default 1d)
 * WEBHOOKS_EVENTS_RETENTION, WEBHOOKS_ATTEMPTS_RETENTION   (default 7d)
 * WEBHOOKS_CONCURRENCY           tries under way in each partition (default 256)
 * WEBHOOKS_ENDPOINT_RATE, WEBHOOKS_ENDPOINT_CONCURRENCY    of an endpoint without its own (default none, 64)
 * WEBHOOKS_ACCOUNT_RATE, WEBHOOKS_ACCOUNT_CONCURRENCY      of an account (default none)
 * WEBHOOKS_ALLOW_HTTP            true: also addresses with http: (default false)
 * WEBHOOKS_ALLOW                 ranges and hosts that are not public and may be reached, with commas (default none)
 * WEBHOOKS_PORTS                 ports with commas, or any (default 443,8443, and 80,8080 where http: is allowed)
 * WEBHOOKS_TRUSTED               origins that may be reached whatever the rules say, with commas (default none)
 * WEBHOOKS_ENRICH                what events are given when they are sent: JSON, or the path of a file with it (default nothing)
 * WEBHOOKS_ENRICH_URL            the PostgreSQL database that it asks
 * WEBHOOKS_CLIENT_CERT, WEBHOOKS_CLIENT_KEY   files: the certificate that endpoints without their own are shown (default none)
 * WEBHOOKS_CA                    a file: authorities that are trusted beside those of Node (default none)
 */
import { AldebaranError, type DeliverySettings } from 'aldebaran'
import { checkAddressRules } from 'aldebaran/webhooks'
import { buildWebhooks, type Webhooks, type WebhooksSettings } from './app.ts'
import { parseEnrichments } from './enrichment-sources.ts'
import { tlsFrom } from './environment-tls.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** @throws AldebaranError OPTION_INVALID */
export function webhooksFromEnvironment(environment: Environment): Webhooks {
  const key = environment.WEBHOOKS_KEY ?? ''
  if (key === '') throw invalid('WEBHOOKS_KEY', "is not set: make one with 'openssl rand -base64 32', and keep it safe")
  const settings: WebhooksSettings = { key }
  const partitions = wholeNumber(environment, 'WEBHOOKS_PARTITIONS')
  if (partitions !== undefined) settings.partitions = partitions
  const retry = listOf(environment, 'WEBHOOKS_RETRY')
  if (retry.length > 0) settings.retry = { schedule: retry }
  for (const [name, option] of [
    ['WEBHOOKS_TIMEOUT', 'timeout'],
    ['WEBHOOKS_DISABLE_AFTER', 'disableAfter'],
    ['WEBHOOKS_DEDUPLICATE', 'deduplicate'],
    ['WEBHOOKS_EVENTS_RETENTION', 'eventsRetention'],
    ['WEBHOOKS_ATTEMPTS_RETENTION', 'attemptsRetention'],
  ] as const) {
    const text = environment[name]
    if (text !== undefined && text !== '') settings[option] = text
  }
  settings.limits = limitsFrom(environment)
  const tls = tlsFrom(environment)
  settings.sender = { addresses: addressesFrom(environment), ...(tls === undefined ? {} : { tls }) }
  settings.enrich = parseEnrichments(environment.WEBHOOKS_ENRICH ?? '', environment.WEBHOOKS_ENRICH_URL ?? '')
  settings.trusted = listOf(environment, 'WEBHOOKS_TRUSTED').map(originOf)
  return buildWebhooks(settings)
}

function limitsFrom(environment: Environment): NonNullable<DeliverySettings['limits']> {
  const total = wholeNumber(environment, 'WEBHOOKS_CONCURRENCY')
  return {
    ...(total === undefined ? {} : { total: { concurrency: total } }),
    tenant: limitFrom(environment, 'WEBHOOKS_ACCOUNT'),
    destination: limitFrom(environment, 'WEBHOOKS_ENDPOINT'),
  }
}

function limitFrom(environment: Environment, name: string) {
  const rate = environment[`${name}_RATE`] ?? ''
  const concurrency = wholeNumber(environment, `${name}_CONCURRENCY`)
  return { ...(rate === '' ? {} : { rate }), ...(concurrency === undefined ? {} : { concurrency }) }
}

function addressesFrom(environment: Environment) {
  const http = environment.WEBHOOKS_ALLOW_HTTP ?? ''
  if (!['', 'true', 'false'].includes(http)) throw invalid('WEBHOOKS_ALLOW_HTTP', 'is true or false')
  const ports = listOf(environment, 'WEBHOOKS_PORTS')
  const any = ports.length === 1 && ports[0] === 'any'
  const wrong = any ? undefined : ports.find(port => !/^[1-9]\d{0,4}$/.test(port))
  if (wrong !== undefined) throw invalid('WEBHOOKS_PORTS', `'${wrong}' is not a port; 'any' stands alone`)
  const rules = {
    http: http === 'true',
    allow: listOf(environment, 'WEBHOOKS_ALLOW'),
    ...(ports.length === 0 ? {} : { ports: any ? ('any' as const) : ports.map(Number) }),
  }
  named({ allow: 'WEBHOOKS_ALLOW', ports: 'WEBHOOKS_PORTS' }, () => checkAddressRules(rules))
  return rules
}

/** What an option is wrong in is told of the variable that it comes from: `variables` by option. */
export function named<T>(variables: Readonly<Record<string, string>>, make: () => T): T {
  try {
    return make()
  } catch (error) {
    const { option } = error instanceof AldebaranError ? error.details : {}
    const variable = typeof option === 'string' ? variables[option] : undefined
    if (variable === undefined || !(error instanceof AldebaranError)) throw error
    throw invalid(variable, error.message.replace(`${option}: `, ''))
  }
}

function originOf(text: string): string {
  const url = URL.parse(text)
  if (url !== null && /^https?:$/.test(url.protocol) && url.origin === text) return text
  throw invalid('WEBHOOKS_TRUSTED', `'${text}' is no origin such as http://127.0.0.1:4000`)
}

function listOf(environment: Environment, name: string): string[] {
  return (environment[name] ?? '')
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
}

function wholeNumber(environment: Environment, name: string): number | undefined {
  const text = environment[name] ?? ''
  if (text === '') return undefined
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw invalid(name, `'${text}' is not a whole number from 1`)
  return Number(text)
}

function invalid(option: string, problem: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${option}: ${problem}`, { option })
}
