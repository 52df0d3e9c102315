import { isAbsolute } from 'node:path'
import { DeliveryError } from '../../delivery/delivery-error.ts'
import { type AlertChannel, type AlertMessage, accept, oneLine, type Severity } from './channel.ts'
import { commandLine, writeCommand } from './nagios-command.ts'
import { type CheckResult, HOST_BYTES, type NscaEncryption, SERVICE_BYTES } from './nsca.ts'
import { sendNsca } from './nsca-client.ts'
import { type ChannelOptions, invalid, requirePort, requireText, requireTimeout } from './options.ts'
import { Wording } from './wording.ts'

/** What the result is of; a function finds it for each alert. */
type CheckName = string | ((message: AlertMessage) => string)

export interface NagiosSettings extends ChannelOptions {
  /** As Nagios knows it. */
  host: CheckName
  /** Default: none: it is a result of the host itself. */
  service?: CheckName
  /** The external command file of a Nagios on this machine: its absolute path. */
  commandFile?: string
  /** Or an NSCA daemon. */
  nsca?: {
    host: string
    /** Default 5667. */
    port?: number
    /** As the daemon has it: `decryption_method` 0, 1 or 14. Default 'xor'. */
    encryption?: NscaEncryption
    /** Default: none. */
    password?: string
    /** Room for the output in a packet: 4096 (default) since NSCA 2.9, 512 before. */
    outputBytes?: 4096 | 512
  }
}

const SERVICE_STATES: Readonly<Record<Severity, number>> = { ok: 0, warning: 1, critical: 2, unknown: 3 }
/** UP, DOWN, UNREACHABLE. */
const HOST_STATES: Readonly<Record<Severity, number>> = { ok: 0, warning: 1, critical: 1, unknown: 2 }

/**
 * A passive check result. Nagios keeps the state, and notifies when it changes: `idempotent` is false, for a volatile service
 * would notify twice.
 * @throws AldebaranError OPTION_INVALID
 */
export function nagiosChannel(settings: NagiosSettings): AlertChannel {
  const { name = 'nagios', host, service = '' } = settings
  if (typeof host === 'string') requireCheckName('host', host, HOST_BYTES)
  if (typeof service === 'string' && service !== '') requireCheckName('service', service, SERVICE_BYTES)
  const channelName = requireText('name', name)
  const write = writerOf(settings)
  return {
    name: channelName,
    idempotent: false,
    async send(given, attempt) {
      const message = accept(given, attempt)
      await write(resultOf(message, host, service), message.time, attempt.signal)
    },
    close: () => {},
  }
}

function resultOf(message: AlertMessage, host: CheckName, service: CheckName): CheckResult {
  const { severity, title, text } = message
  const ofHost = typeof host === 'string' ? host : nameOf(host, message, HOST_BYTES)
  const ofService = typeof service === 'string' ? service : nameOf(service, message, SERVICE_BYTES)
  const states = ofService === '' ? HOST_STATES : SERVICE_STATES
  return {
    host: ofHost,
    service: ofService,
    state: states[severity],
    output: text === '' ? title : `${title}\n${text}`,
  }
}

type Writer = (result: CheckResult, time: number, signal: AbortSignal) => Promise<void>

function writerOf({ commandFile, nsca, timeout }: NagiosSettings): Writer {
  const timeoutMs = requireTimeout('timeout', timeout)
  if ((commandFile === undefined) === (nsca === undefined))
    throw invalid('commandFile', 'either it or nsca must be given')
  if (nsca === undefined) {
    const file = requireText('commandFile', commandFile)
    if (!isAbsolute(file)) throw invalid('commandFile', 'it must be an absolute path')
    return (result, time) => writeCommand(file, commandLine(result, time))
  }
  const { encryption = 'xor', outputBytes = 4096, password = '' } = nsca
  if (!['none', 'xor', 'aes'].includes(encryption))
    throw invalid('nsca.encryption', "it must be 'none', 'xor' or 'aes'")
  if (outputBytes !== 4096 && outputBytes !== 512) throw invalid('nsca.outputBytes', 'it must be 4096 or 512')
  if (password !== '') requireText('nsca.password', password, 511)
  const target = {
    host: requireText('nsca.host', nsca.host, 255),
    port: requirePort('nsca.port', nsca.port ?? 5667),
    encryption,
    password,
    outputBytes,
    timeoutMs,
    wording: new Wording([password]),
  }
  return (result, _time, signal) => sendNsca(target, result, signal)
}

/** Fields of a line end with a semicolon, and those of a packet with a zero byte. */
function isCheckName(text: string, bytes: number): boolean {
  return text !== '' && oneLine(text) === text && !text.includes(';') && Buffer.byteLength(text) < bytes
}

function requireCheckName(option: string, value: string, bytes: number): void {
  if (!isCheckName(value, bytes)) throw invalid(option, `it must have 1 to ${bytes - 1} bytes, and no semicolon`)
}

function nameOf(find: (message: AlertMessage) => string, message: AlertMessage, bytes: number): string {
  let found: unknown
  try {
    found = find(message)
  } catch (error) {
    throw new DeliveryError('reject', 'the function that names what was checked threw', { cause: error })
  }
  if (typeof found === 'string' && isCheckName(found, bytes)) return found
  throw new DeliveryError('reject', 'what was checked has no name that Nagios can have')
}
