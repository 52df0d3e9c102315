/**
 * The channels that alerts go out by, as a JSON file says them: `{"channels": [{"name": "ops-mail", "type": "email", …}]}`.
 * Beside the options of its type a channel has `name`, `rate`, `concurrency` and `since`.
 *
 * Every thread makes them, so that a wrong setting is told before anything runs. None connects before its first alert.
 */
import { readFile } from 'node:fs/promises'
import { AldebaranError, type AlertChannel, parseChannel, parseDuration } from 'aldebaran'

export interface AuditChannel {
  /** Also the destination of its alerts. */
  readonly name: string
  readonly channel: AlertChannel
  /** Of all partitions together; null: as fast as it goes. */
  readonly rate: ChannelRate | null
  /** Alerts under way at once, of all partitions together. */
  readonly concurrency: number
  /** Of one try, ms. */
  readonly timeout: number
  /** It gets no alert of before, ms since 1970. */
  readonly since: number
}

/** So many in so many of a unit: 10 in 1 'm'. */
export interface ChannelRate {
  readonly count: number
  readonly times: number
  readonly unit: string
}

const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/
const RATE = /^\s*(\d+(?:\.\d+)?)\s*\/\s*(\d+(?:\.\d+)?)?\s*(ms|s|m|h|d)\s*$/
const DEFAULT_CONCURRENCY = 4
const MOST_CONCURRENCY = 1000
/** That of channels. */
const DEFAULT_TIMEOUT = '20s'

/** @throws AldebaranError OPTION_INVALID or PACKAGE_MISSING, with the file, the channel and the option */
export async function readChannels(path: string, environment: NodeJS.ProcessEnv): Promise<AuditChannel[]> {
  const { channels, ...others } = object(await readJson(path), path)
  const other = Object.keys(others)[0]
  if (other !== undefined) throw invalid(path, other, 'there is no such option; there is channels')
  if (!Array.isArray(channels)) throw invalid(path, 'channels', 'it must be a list')
  const made: AuditChannel[] = []
  for (const [at, settings] of channels.entries()) {
    const one = await makeChannel(settings, `${path}: channels[${at}]`, path, environment)
    if (made.some(({ name }) => name === one.name)) {
      throw invalid(path, `channels[${at}].name`, `there are two channels '${one.name}'`)
    }
    made.push(one)
  }
  return made
}

async function makeChannel(
  settings: unknown,
  place: string,
  path: string,
  environment: NodeJS.ProcessEnv,
): Promise<AuditChannel> {
  const { rate, concurrency = DEFAULT_CONCURRENCY, since, ...own } = object(settings, place)
  const { name, timeout = DEFAULT_TIMEOUT } = own
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw invalid(place, 'name', 'it must be 1 to 64 letters, digits, dots, hyphens and underscores')
  }
  const at = `${path}: channel '${name}'`
  const isCount = Number.isInteger(concurrency) && Number(concurrency) >= 1 && Number(concurrency) <= MOST_CONCURRENCY
  if (!isCount) throw invalid(at, 'concurrency', `it must be a whole number from 1 to ${MOST_CONCURRENCY}`)
  try {
    const channel = await parseChannel(own, environment)
    return {
      name,
      channel,
      rate: rate === undefined ? null : parseRate(rate),
      concurrency: Number(concurrency),
      timeout: parseDuration(timeout as string | number, 'timeout'),
      since: since === undefined ? 0 : parseTime(since),
    }
  } catch (error) {
    if (!(error instanceof AldebaranError)) throw error
    throw new AldebaranError(error.code, `${at}: ${error.message}`, error.details, error)
  }
}

/** The share of one of so many partitions, as limits are given. */
export function shareOf({ count, times, unit }: ChannelRate, partitions: number): string {
  return `${count}/${times * partitions}${unit}`
}

function parseRate(rate: unknown): ChannelRate {
  const [, count = '0', times = '1', unit = ''] = typeof rate === 'string' ? (RATE.exec(rate) ?? []) : []
  if (Number(count) > 0 && Number(times) > 0) return { count: Number(count), times: Number(times), unit }
  throw new AldebaranError('OPTION_INVALID', "rate: it must be a rate such as '10/s' or '300/h'", { option: 'rate' })
}

function parseTime(time: unknown): number {
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN
  if (Number.isFinite(ms)) return ms
  throw new AldebaranError('OPTION_INVALID', "since: it must be a time such as '2026-03-01T09:30:00Z'", {
    option: 'since',
  })
}

async function readJson(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw invalid('AUDIT_CHANNELS', path, `it cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw invalid('AUDIT_CHANNELS', path, `it is not JSON: ${(error as Error).message}`)
  }
}

function object(value: unknown, place: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new AldebaranError('OPTION_INVALID', `${place}: it must be an object`, { option: 'AUDIT_CHANNELS' })
}

function invalid(place: string, option: string, why: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${place}: ${option}: ${why}`, { option })
}
