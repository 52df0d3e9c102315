import { type Command, InvalidArgumentError } from 'commander'
import type { Changed, Letter } from '../api-shapes.ts'
import { UsageError } from '../failure.ts'
import { wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { countText, timeText } from '../show-values.ts'

interface Filter {
  application?: string
  code?: string
  topic?: string
}

interface ListOptions extends Filter {
  limit: number
  state: string
}

export function define(command: Command, session: Session): void {
  const of = 'of which application, when several run'
  command
    .command('ls', { isDefault: true })
    .description('list them, newest first')
    .option('--application <name>', of)
    .option('--code <code>', 'only those with this code')
    .option('--topic <topic>', 'only records of this topic')
    .option('--state <state>', 'open, replayed, purged, or all', 'open')
    .option('-n, --limit <count>', 'how many', wholeNumber, 50)
    .action((options: ListOptions) => list(session, options))
  command
    .command('show')
    .description('one of them, with its value')
    .argument('<offset>', 'its number in the list', offsetOf)
    .option('--application <name>', of)
    .action((offset: number, options: Filter) => show(session, offset, options))
  for (const [verb, what] of [
    ['replay', 'append them to their topic again, exactly once'],
    ['purge', 'put them aside for good'],
  ] as const) {
    command
      .command(verb)
      .description(what)
      .argument('[offsets...]', 'their numbers in the list', (text, before: number[] = []) => [
        ...before,
        offsetOf(text),
      ])
      .option('--all', 'every open one')
      .option('--code <code>', 'with --all: only those with this code')
      .option('--topic <topic>', 'with --all: only records of this topic')
      .option('--application <name>', of)
      .action((offsets: number[] = [], options: Filter & { all?: boolean }) => change(session, verb, offsets, options))
  }
}

async function list({ api, out }: Session, options: ListOptions): Promise<void> {
  const { letters } = await api.get<{ letters: Letter[] }>('/dead-letters', { ...options })
  out.rows(
    [
      { header: 'OFFSET', cell: letter => letter.offset, right: true },
      { header: 'TIME', cell: letter => timeText(letter.time) },
      { header: 'STATE', cell: letter => letter.state },
      { header: 'SOURCE', cell: sourceOf },
      { header: 'CODE', cell: letter => letter.code },
      { header: 'WHY', cell: letter => letter.message, flexible: true },
    ],
    letters,
    'There are no dead letters.',
  )
}

async function show({ api, out }: Session, offset: number, options: Filter): Promise<void> {
  const letter = await api.get<Letter & Record<string, unknown>>(`/dead-letters/${offset}`, { ...options })
  out.properties(letter, { ...letter, time: timeText(letter.time), source: sourceOf(letter) })
}

async function change(
  session: Session,
  verb: 'replay' | 'purge',
  offsets: readonly number[],
  options: Filter & { all?: boolean },
): Promise<void> {
  const { all, application, ...filter } = options
  if (all !== true && offsets.length === 0) throw new UsageError(`say which to ${verb}: offsets, or --all`)
  if (all === true && offsets.length > 0) throw new UsageError('give offsets or --all, not both')
  if (all !== true && Object.keys(filter).length > 0) throw new UsageError('--code and --topic go with --all')
  const selection = all === true ? { all, ...filter } : { offsets }
  const { api, out } = session
  const answer = await api.post<Changed>(
    `/dead-letters/${verb}`,
    { application },
    JSON.stringify(selection),
    'application/json',
  )
  if (answer.failed.length > 0) session.exitCode = 1
  if (out.json) {
    out.value(answer)
    return
  }
  out.text(`${countText(answer.changed)} ${verb === 'replay' ? 'replayed' : 'purged'}`)
  for (const { offset, state } of answer.skipped) out.text(`${offset} was ${state} already`)
  for (const { offset, code, message } of answer.failed) out.text(`${offset} failed: ${message} (${code})`)
}

function sourceOf({ source, timer, pipeline }: Letter): string {
  return source === null ? `${pipeline}: timer ${timer}` : `${source.topic} ${source.partition}:${source.offset}`
}

function offsetOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not an offset.')
}
