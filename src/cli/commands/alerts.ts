/** The alert channels of the trade auditor: two of its deliveries, seen as what they are to those on duty. */
import type { Command } from 'commander'
import { UsageError } from '../failure.ts'
import { wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { countText, timeText } from '../show-values.ts'
import { type Fields, STATE_COLUMNS, tell } from './deliveries.ts'

/** As `apps/audit/deliveries` calls them: of channels that do not know a repetition, and of those that do. */
const ONCE = 'alerts-once'
const KEYED = 'alerts-keyed'
const PAGE = 1000

interface OfApplication {
  application?: string
}
interface OfChannel extends OfApplication {
  channel?: string
}
interface Doubtful {
  event: string
  id: string
  destination: string
  tries: number
  since: number
  error: string
  value: { orderId: string | number; kind: string } | null
}

export function define(command: Command, session: Session): void {
  const of = 'of which application, when several run'
  command
    .command('channels', { isDefault: true })
    .description('where alerts go: state, backlog, last error of each channel')
    .option('--application <name>', of)
    .action((options: OfApplication) => channels(session, options))
  const inDoubt = command
    .command('in-doubt')
    .description('alerts of which nobody knows whether they arrived: you decide')
  inDoubt
    .command('ls', { isDefault: true })
    .description('list them')
    .option('--channel <name>', 'only those of this channel')
    .option('-n, --limit <count>', 'how many', wholeNumber, 50)
    .option('--application <name>', of)
    .action((options: OfChannel & { limit: number }) => list(session, options))
  for (const [verb, what] of [
    ['send', 'send them once more: who has got one gets it again'],
    ['drop', 'send them no more: they become dead letters'],
  ] as const) {
    inDoubt
      .command(verb)
      .description(what)
      .argument('<events...>', 'their names, as `in-doubt ls` shows them, or `all`')
      .option('--channel <name>', 'with all: only those of this channel')
      .option('--yes', 'with all: do it; without it is only told how many they are')
      .option('--application <name>', of)
      .action((events: string[], options: OfChannel & { yes?: boolean }) => decide(session, verb, events, options))
  }
}

async function channels(session: Session, options: OfApplication): Promise<void> {
  const found: Fields[] = []
  for (const delivery of await deliveries(session, options)) {
    const path = `/deliveries/${delivery}/destinations`
    const { destinations } = await session.api.get<{ destinations: Fields[] }>(path, { ...options, limit: PAGE })
    found.push(...destinations.map(one => ({ delivery, ...one })))
  }
  session.out.rows(
    [
      { header: 'CHANNEL', cell: one => one.destination! },
      { header: 'DELIVERY', cell: one => one.delivery! },
      ...STATE_COLUMNS,
    ],
    found,
    'No channel has had an alert yet.',
  )
}

/** Those of the two that there are. */
async function deliveries({ api, out }: Session, options: OfApplication): Promise<string[]> {
  const { deliveries: all } = await api.get<{ deliveries: Fields[] }>('/deliveries', { ...options })
  const names = [ONCE, KEYED].filter(name => all.some(({ delivery }) => delivery === name))
  if (names.length === 0) out.note('Alerts go to no channel: the variable AUDIT_CHANNELS names a file of channels.')
  return names
}

async function list(session: Session, options: OfChannel & { limit: number }): Promise<void> {
  const { limit, ...of } = options
  session.out.rows(
    [
      { header: 'EVENT', cell: one => one.event },
      { header: 'CHANNEL', cell: one => one.destination },
      { header: 'ORDER', cell: one => one.value?.orderId ?? one.id },
      { header: 'ALERT', cell: one => one.value?.kind ?? '' },
      { header: 'TRIES', cell: one => one.tries, right: true },
      { header: 'SINCE', cell: one => timeText(one.since) },
      { header: 'LAST ERROR', cell: one => one.error, flexible: true },
    ],
    await doubtful(session, of, limit),
    'There are no alerts in doubt.',
  )
}

async function decide(
  session: Session,
  verb: 'send' | 'drop',
  events: readonly string[],
  options: OfChannel & { yes?: boolean },
): Promise<void> {
  const { yes = false, ...of } = options
  const isAll = events.includes('all')
  if (isAll && events.length > 1) throw new UsageError('name events, or all, not both')
  if (!isAll && (yes || of.channel !== undefined)) throw new UsageError('--channel and --yes go with all')
  const names = isAll ? (await doubtful(session, of, Number.POSITIVE_INFINITY)).map(({ event }) => event) : events
  const { out } = session
  const are = names.length === 1 ? '1 alert in doubt is' : `${countText(names.length)} alerts in doubt are`
  if (names.length === 0) out.note('There are no alerts in doubt.')
  else if (isAll && !yes) {
    out.note(`${are} ${verb === 'send' ? 'sent once more' : 'dropped'} with --yes. Nothing was changed.`)
  } else {
    const commands = names.map(event => ({ command: verb, event }))
    await tell(session, ONCE, of.application, commands)
  }
}

async function doubtful(session: Session, { channel, application }: OfChannel, most: number): Promise<Doubtful[]> {
  const found: Doubtful[] = []
  if (!(await deliveries(session, { ...(application !== undefined && { application }) })).includes(ONCE)) return found
  let after: string | null = null
  do {
    const query = { state: 'in-doubt', destination: channel, application, limit: Math.min(PAGE, most - found.length) }
    const page: { events: Doubtful[]; next: string | null } = await session.api.get(`/deliveries/${ONCE}/events`, {
      ...query,
      ...(after !== null && { after }),
    })
    found.push(...page.events)
    after = page.next
  } while (after !== null && found.length < most)
  return found
}
