/** The story of one event of a delivery, for people and for programs. */
import type { Command } from 'commander'
import type { AttemptView, EventStory, StoryPlace } from '../../http/delivery-shape.ts'
import { wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { countText, timeText } from '../show-values.ts'
import { plain } from '../text-table.ts'

interface EventOptions {
  application?: string
  destination?: string
  key?: string
  limit: number
}

export function defineEvent(command: Command, session: Session): void {
  command
    .command('event')
    .description('the story of one event: its state at each destination, its tries, what comes next')
    .argument('<delivery>')
    .argument('<id>', 'the id of the event')
    .option('--destination <name>', 'only at this destination')
    .option('--key <key>', 'of its record: one partition of the backlog is looked at')
    .option('-n, --limit <count>', 'tries at most, the newest', wholeNumber, 100)
    .option('--application <name>', 'of which application, when several run')
    .action((delivery: string, id: string, options: EventOptions) => tell(session, delivery, id, options))
}

async function tell({ api, out }: Session, delivery: string, id: string, options: EventOptions): Promise<void> {
  const path = `/deliveries/${encodeURIComponent(delivery)}/events/${encodeURIComponent(id)}`
  const story = await api.get<EventStory>(path, { ...options })
  if (out.json) {
    out.value(story)
    return
  }
  const { record, destinations } = story
  out.properties(story, {
    event: story.id,
    delivery: `${story.application} / ${story.delivery}`,
    ...(record === null
      ? {}
      : {
          record: `${record.topic} ${record.partition}:${record.offset}, ${timeText(record.timestamp)}`,
          key: record.key,
          headers: record.headers,
          value: record.valueBase64 === undefined ? (record.text ?? record.value) : `base64:${record.valueBase64}`,
        }),
  })
  out.text('')
  out.rows(
    [
      { header: 'DESTINATION', cell: one => one.destination },
      { header: 'TENANT', cell: one => one.tenant },
      { header: 'STATE', cell: one => one.state },
      { header: 'TRIES', cell: one => countText(one.tries), right: true },
      { header: 'TAKEN IN', cell: one => (one.since === null ? '' : timeText(one.since)) },
      { header: 'NEXT', cell: nextText, flexible: true },
    ],
    destinations,
    'It has gone nowhere, as far as is known.',
  )
  for (const place of destinations) {
    for (const line of waysOf(story.delivery, place)) out.text(`  ${plain(line)}`)
  }
  const tries = destinations.flatMap(({ destination, attempts }) => attempts.map(one => ({ destination, ...one })))
  if (tries.length > 0) out.text('')
  out.rows(
    [
      { header: 'TRY', cell: one => one.number, right: true },
      { header: 'DESTINATION', cell: one => one.destination },
      { header: 'ENDED', cell: one => timeText(one.at) },
      { header: 'MS', cell: one => one.ms, right: true },
      { header: 'OUTCOME', cell: one => one.outcome },
      { header: 'ERROR', cell: one => one.error, flexible: true },
      { header: 'RESPONSE', cell: responseText, flexible: true },
    ],
    tries.sort((a, b) => b.at - a.at),
    story.recordsAttempts ? 'No try of it is recorded.' : 'The delivery records no tries: it has no topic `attempts`.',
  )
  for (const note of notesOf(story)) out.note(note)
}

function nextText({ next, letter }: StoryPlace): string {
  if (next !== null) return next.at === null ? next.why : `${timeText(next.at)}: ${next.why}`
  return letter === null || letter.state === 'replayed' ? '' : `dead letter ${letter.offset}, ${letter.state}`
}

/** A status and a body, where the detail has them; else all of it. */
function responseText({ detail }: AttemptView): unknown {
  if (typeof detail !== 'object' || detail === null) return detail ?? ''
  const { status, body } = detail as { status?: unknown; body?: unknown }
  return status === undefined && body === undefined ? detail : [status, body].filter(Boolean).join(' ')
}

/** What can be done, as it is typed. */
function waysOf(delivery: string, { destination, event, letter, actions }: StoryPlace): string[] {
  return actions.map(action =>
    action === 'send' || action === 'drop'
      ? `${destination}: aldebaran deliveries ${action} ${delivery} ${event}`
      : `${destination}: aldebaran dlq ${action} ${letter?.offset}`,
  )
}

function notesOf({ complete, notSearched, searchedBackTo }: EventStory): string[] {
  if (complete) return []
  const back = searchedBackTo === null ? '' : ` Tries were looked for back to ${timeText(searchedBackTo)}.`
  const names = { attempts: 'tries', 'dead-letters': 'dead letters', backlog: 'backlog' } as const
  return [
    `There may be more: not looked through to the end: ${notSearched.map(one => names[one]).join(', ')}.${back} --destination and --key say where to look.`,
  ]
}
