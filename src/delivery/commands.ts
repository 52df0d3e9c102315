/** What operators tell a delivery: JSON records of its control topic, one for every task that it may concern. */
import { AldebaranError } from '../errors.ts'
import { checkName } from './due-event.ts'
import { compileRate } from './token-bucket.ts'

export type Command =
  /** `at`: it was paused by itself then, ms since 1970; a later `resume` holds. */
  | { readonly command: 'pause'; readonly destination: string; readonly reason?: string; readonly at?: number }
  /** `resume` and `reset` do the same: it is tried again at once, whatever its breaker said. */
  | { readonly command: 'resume' | 'reset'; readonly destination: string }
  /** From now on, over restarts; without a rate or a concurrency the settings hold again. */
  | { readonly command: 'limit'; readonly destination: string; readonly rate?: string; readonly concurrency?: number }
  /** Everything that waits for the destination goes to the dead letters. */
  | { readonly command: 'purge'; readonly destination: string }
  /** `event`: the key of its row. What is in doubt or scheduled is sent now, or goes to the dead letters. */
  | { readonly command: 'send' | 'drop'; readonly event: string }

const OF_DESTINATION = ['pause', 'resume', 'reset', 'limit', 'purge']
const OF_EVENT = ['send', 'drop']

/** @throws AldebaranError VALUE_INVALID */
export function parseCommand(value: unknown): Command {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const { command, destination, event, rate, concurrency, reason, at } = fields
  if (typeof command !== 'string' || ![...OF_DESTINATION, ...OF_EVENT].includes(command)) {
    throw invalid('command', `is one of ${[...OF_DESTINATION, ...OF_EVENT].join(', ')}`)
  }
  if (OF_EVENT.includes(command)) {
    if (typeof event !== 'string' || event === '') throw invalid('event', 'is the key of an event')
    return { command: command as 'send', event }
  }
  if (typeof destination !== 'string') throw invalid('destination', 'is the name of one')
  checkName('destination', destination, 1)
  if (reason !== undefined && typeof reason !== 'string') throw invalid('reason', 'is a text')
  if (at !== undefined && typeof at !== 'number') throw invalid('at', 'is a time, ms')
  if (rate !== undefined && typeof rate !== 'string') throw invalid('rate', "is a rate such as '100/s'")
  if (rate !== undefined) compileRate(rate, 'rate')
  const isCount = Number.isInteger(concurrency) && Number(concurrency) > 0
  if (concurrency !== undefined && !isCount) throw invalid('concurrency', 'is a whole number above 0')
  return {
    command: command as 'pause',
    destination,
    ...(reason === undefined ? {} : { reason }),
    ...(at === undefined ? {} : { at }),
    ...(rate === undefined ? {} : { rate }),
    ...(concurrency === undefined ? {} : { concurrency: Number(concurrency) }),
  }
}

function invalid(field: string, what: string): AldebaranError {
  return new AldebaranError('VALUE_INVALID', `${field} of a command ${what}`, { path: field })
}
