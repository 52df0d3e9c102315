/** Channels from settings that are data: of a file, with credentials by the names of environment variables. */
import { apnsChannel } from './apns.ts'
import type { AlertChannel } from './channel.ts'
import { emailChannel } from './email.ts'
import { fcmChannel } from './fcm.ts'
import { nagiosChannel } from './nagios.ts'
import { invalid } from './options.ts'
import { smsChannel } from './sms.ts'
import { webhookChannel } from './webhook.ts'

type Kind = 'text' | 'secret' | 'number' | 'boolean' | 'duration' | 'texts' | 'headers' | { [option: string]: Kind }

const COMMON = { name: 'text', timeout: 'duration' } as const
const TLS = { ca: 'text', cert: 'text', key: 'secret', passphrase: 'secret', servername: 'text' } as const

/** What each type takes; functions cannot be written in a file. A secret is never written there. */
const OPTIONS: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  email: {
    host: 'text',
    port: 'number',
    security: 'text',
    auth: { user: 'text', password: 'secret' },
    from: 'text',
    to: 'texts',
    tls: TLS,
  },
  sms: {
    accountSid: 'text',
    authToken: 'secret',
    apiKey: 'text',
    to: 'text',
    from: 'text',
    longest: 'number',
    endpoint: 'text',
  },
  apns: {
    teamId: 'text',
    keyId: 'text',
    privateKey: 'secret',
    topic: 'text',
    to: 'text',
    pushType: 'text',
    expires: 'duration',
    collapse: 'text',
    endpoint: 'text',
    tls: TLS,
  },
  fcm: {
    projectId: 'text',
    clientEmail: 'text',
    privateKeyId: 'text',
    privateKey: 'secret',
    to: 'text',
    expires: 'duration',
    endpoint: 'text',
    tokenEndpoint: 'text',
  },
  nagios: {
    host: 'text',
    service: 'text',
    commandFile: 'text',
    nsca: { host: 'text', port: 'number', encryption: 'text', password: 'secret', outputBytes: 'number' },
  },
  webhook: {
    endpoint: 'text',
    headers: 'headers',
    signature: { secret: 'secret', header: 'text' },
    idempotent: 'boolean',
    tls: TLS,
  },
}

const MAKERS: Readonly<Record<string, (settings: never) => AlertChannel | Promise<AlertChannel>>> = {
  email: emailChannel,
  sms: smsChannel,
  apns: apnsChannel,
  fcm: fcmChannel,
  nagios: nagiosChannel,
  webhook: webhookChannel,
}

/**
 * A channel of settings as they stand in a file: `type` (email, sms, apns, fcm, nagios, webhook) and the options of that
 * channel. Any text may be `env:NAME`, the environment variable NAME; credentials must be.
 * @throws AldebaranError OPTION_INVALID, PACKAGE_MISSING
 */
export async function parseChannel(
  settings: unknown,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<AlertChannel> {
  if (!isObject(settings)) throw invalid('channel', 'its settings must be an object')
  const { type, ...rest } = settings
  const options = typeof type === 'string' && Object.hasOwn(OPTIONS, type) ? OPTIONS[type] : undefined
  if (options === undefined) throw invalid('type', `it must be one of ${Object.keys(OPTIONS).join(', ')}`)
  const read = readObject(rest, { ...COMMON, ...options }, '', environment)
  return await MAKERS[type as string]!(read as never)
}

function readObject(
  given: Readonly<Record<string, unknown>>,
  kinds: Readonly<Record<string, Kind>>,
  prefix: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const read: Record<string, unknown> = {}
  for (const [option, value] of Object.entries(given)) {
    const path = prefix + option
    const kind = Object.hasOwn(kinds, option) ? kinds[option] : undefined
    if (kind === undefined) throw invalid(path, `there is no such option; there are ${Object.keys(kinds).join(', ')}`)
    read[option] = readOption(path, value, kind, environment)
  }
  return read
}

function readOption(
  path: string,
  value: unknown,
  kind: Kind,
  environment: Readonly<Record<string, string | undefined>>,
): unknown {
  if (typeof kind === 'object') {
    if (!isObject(value)) throw invalid(path, 'it must be an object')
    return readObject(value, kind, `${path}.`, environment)
  }
  switch (kind) {
    case 'secret':
      if (typeof value !== 'string' || !value.startsWith('env:')) {
        throw invalid(path, "it must be 'env:NAME', the name of an environment variable")
      }
      return readText(path, value, environment)
    case 'text':
      if (typeof value !== 'string') throw invalid(path, 'it must be a text')
      return readText(path, value, environment)
    case 'texts':
      if (!Array.isArray(value)) return readOption(path, value, 'text', environment)
      return value.map((one, at) => readOption(`${path}[${at}]`, one, 'text', environment))
    case 'headers': {
      if (!isObject(value)) throw invalid(path, 'it must be an object')
      const entries = Object.entries(value)
      return Object.fromEntries(
        entries.map(([name, one]) => [name, readOption(`${path}.${name}`, one, 'secret', environment)]),
      )
    }
    case 'duration':
      if (typeof value === 'number' || typeof value === 'string') return value
      throw invalid(path, "it must be a duration such as '5s', or a number of ms")
    case 'number':
      if (typeof value === 'number') return value
      throw invalid(path, 'it must be a number')
    case 'boolean':
      if (typeof value === 'boolean') return value
      throw invalid(path, 'it must be true or false')
  }
}

function readText(path: string, text: string, environment: Readonly<Record<string, string | undefined>>): string {
  if (!text.startsWith('env:')) return text
  const variable = text.slice(4)
  const value = environment[variable]
  if (value === undefined || value === '') throw invalid(path, `the environment variable ${variable} is not set`)
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
