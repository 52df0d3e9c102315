import { type Command, Option } from 'commander'
import { UsageError } from '../failure.ts'
import { wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { countText, timeText } from '../show-values.ts'
import type { Column } from '../text-table.ts'
import { defineEvent } from './deliveries-event.ts'

interface OfApplication {
  application?: string
}
interface ListOptions extends OfApplication {
  limit: number
}
interface EventOptions extends ListOptions {
  state: string
  destination?: string
}
interface ChangeOptions extends OfApplication {
  reason?: string
  rate?: string
  concurrency?: number
  all?: boolean
}
const EVENT_STATES = ['in-doubt', 'waiting', 'scheduled']
export type Fields = Record<string, string | number>

export function define(command: Command, session: Session): void {
  const of = 'of which application, when several run'
  command
    .command('ls', { isDefault: true })
    .description('the deliveries, and how much they have of what')
    .option('--application <name>', of)
    .action((options: OfApplication) => list(session, options))
  command
    .command('destinations')
    .description('the destinations of one: state, backlog, last error')
    .argument('<delivery>')
    .option('-n, --limit <count>', 'how many', wholeNumber, 100)
    .option('--application <name>', of)
    .action((delivery: string, options: ListOptions) => destinations(session, delivery, options))
  command
    .command('events')
    .description('events that wait on the disk')
    .argument('<delivery>')
    .addOption(new Option('--state <state>', 'which').choices(EVENT_STATES).default('in-doubt'))
    .option('--destination <name>', 'only those for this destination')
    .option('-n, --limit <count>', 'how many', wholeNumber, 50)
    .option('--application <name>', of)
    .action((delivery: string, options: EventOptions) => events(session, delivery, options))
  defineEvent(command, session)
  for (const [verb, what] of [
    ['pause', 'send nothing to a destination until it is resumed'],
    ['resume', 'go on with a destination that is paused, throttled, or whose breaker is open'],
    ['purge', 'everything that waits for a destination becomes a dead letter'],
    ['limit', 'other limits for a destination; without options, those of the settings again'],
  ] as const) {
    const sub = command.command(verb).description(what).argument('<delivery>').argument('<destination>')
    if (verb === 'pause') sub.option('--reason <text>', 'shown with the destination')
    if (verb === 'limit') {
      sub.option('--rate <rate>', "such as '100/s'")
      sub.option('--concurrency <count>', 'under way at once', wholeNumber)
    }
    sub
      .option('--application <name>', of)
      .action((delivery: string, destination: string, { application, ...more }: ChangeOptions) =>
        tellOf(session, delivery, application, { command: verb, destination, ...more }),
      )
  }
  for (const [verb, what] of [
    ['send', 'send events now that are in doubt or scheduled'],
    ['drop', 'events that are in doubt or scheduled become dead letters'],
  ] as const) {
    command
      .command(verb)
      .description(what)
      .argument('<delivery>')
      .argument('<events...>', 'their names, as `events` shows them')
      .option('--application <name>', of)
      .action((delivery: string, names: string[], { application }: OfApplication) =>
        tell(
          session,
          delivery,
          application,
          names.map(event => ({ command: verb, event })),
        ),
      )
  }
}

async function list({ api, out }: Session, options: OfApplication): Promise<void> {
  const { deliveries } = await api.get<{ deliveries: Fields[] }>('/deliveries', { ...options })
  const count = (name: string) => ({
    header: HEADERS[name]!,
    cell: (one: Fields) => countText(Number(one[name])),
    right: true,
  })
  out.rows(
    [
      { header: 'DELIVERY', cell: one => one.delivery! },
      { header: 'TOPIC', cell: one => one.topic! },
      { header: 'GUARANTEE', cell: one => one.guarantee! },
      ...Object.keys(HEADERS).map(count),
    ],
    deliveries,
    'No application here has deliveries.',
  )
}

const HEADERS: Readonly<Record<string, string>> = {
  delivered: 'DELIVERED',
  underWay: 'UNDER WAY',
  waiting: 'WAITING',
  scheduled: 'SCHEDULED',
  doubtful: 'IN DOUBT',
  dead: 'DEAD',
  destinations: 'DESTINATIONS',
  broken: 'BROKEN',
  paused: 'PAUSED',
}

async function destinations({ api, out }: Session, delivery: string, options: ListOptions): Promise<void> {
  const path = `/deliveries/${encodeURIComponent(delivery)}/destinations`
  const { destinations: found } = await api.get<{ destinations: Fields[] }>(path, { ...options })
  out.rows(
    [
      { header: 'DESTINATION', cell: one => one.destination! },
      { header: 'TENANT', cell: one => one.tenant! },
      ...STATE_COLUMNS,
    ],
    found,
    'It has no destinations yet.',
  )
}

/** Of a destination, whichever way it is called. */
export const STATE_COLUMNS: readonly Column<Fields>[] = [
  { header: 'STATE', cell: stateText },
  { header: 'UNDER WAY', cell: one => one.underWay!, right: true },
  { header: 'WAITING', cell: one => countText(Number(one.waiting)), right: true },
  { header: 'SCHEDULED', cell: one => countText(Number(one.scheduled)), right: true },
  { header: 'IN DOUBT', cell: one => one.inDoubt!, right: true },
  { header: 'DELIVERED', cell: one => countText(Number(one.delivered)), right: true },
  { header: 'FAILED', cell: one => countText(Number(one.failed)), right: true },
  { header: 'LAST ERROR', cell: one => one.error!, flexible: true },
]

function stateText({ state, reason, notBefore }: Fields): string {
  if (reason !== '') return `${state} (${reason})`
  return Number(notBefore) > 0 ? `${state} until ${timeText(Number(notBefore))}` : String(state)
}

async function events({ api, out }: Session, delivery: string, options: EventOptions): Promise<void> {
  const path = `/deliveries/${encodeURIComponent(delivery)}/events`
  const { events: found } = await api.get<{ events: Fields[] }>(path, { ...options })
  out.rows(
    [
      { header: 'EVENT', cell: one => one.event! },
      { header: 'ID', cell: one => one.id! },
      { header: 'DESTINATION', cell: one => one.destination! },
      { header: 'TRIES', cell: one => one.tries!, right: true },
      { header: 'SINCE', cell: one => timeText(Number(one.since)) },
      { header: 'DUE', cell: one => (one.due === 0 ? '' : timeText(Number(one.due))) },
      { header: 'LAST ERROR', cell: one => one.error!, flexible: true },
    ],
    found,
    `There are no events ${options.state === 'in-doubt' ? 'in doubt' : `that are ${options.state}`}.`,
  )
}

/** What is said of a destination. A name that was misspelled is accepted too: so it is told that nobody knows it. */
async function tellOf(
  session: Session,
  delivery: string,
  application: string | undefined,
  command: { command: string; destination: string },
): Promise<void> {
  const { destination } = command
  const path = `/deliveries/${encodeURIComponent(delivery)}/destinations`
  const { destinations: found } = await session.api.get<{ destinations: Fields[] }>(path, {
    from: destination,
    limit: 1,
    application,
  })
  await tell(session, delivery, application, [command])
  if (found[0]?.destination === destination) return
  session.out.note(
    `Nothing has gone to ${destination} lately: if that is not its name, aldebaran deliveries destinations ${delivery} lists them.`,
  )
}

export async function tell(
  { api, out }: Session,
  delivery: string,
  application: string | undefined,
  commands: readonly object[],
): Promise<void> {
  if (commands.length === 0) throw new UsageError('name at least one event')
  for (const command of commands) {
    const path = `/deliveries/${encodeURIComponent(delivery)}/commands`
    await api.post(path, { application }, JSON.stringify(command), 'application/json')
  }
  if (out.json) out.value({ accepted: commands.length })
  else out.text('Accepted: it is carried out in a moment.')
}
