import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { messageOf } from '../../errors.ts'
import type { Changed, Letter } from '../api-shapes.ts'
import { UsageError } from '../failure.ts'
import { time, wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { countText, timeText } from '../show-values.ts'

interface Filter {
  application?: string
  code?: string
  topic?: string
  destination?: string
  since?: number
  until?: number
}

interface ListOptions extends Filter {
  limit: number
  state: string
  event?: string
}

interface ChangeOptions extends Filter {
  all?: boolean
  value?: string
  bytes?: string
}

export function define(command: Command, session: Session): void {
  const of = 'of which application, when several run'
  filtered(command.command('ls', { isDefault: true }).description('list them, newest first'), 'only')
    .option('--application <name>', of)
    .option('--event <id>', 'only of this event of a delivery')
    .addOption(new Option('--state <state>', 'which').choices(['open', 'replayed', 'purged', 'all']).default('open'))
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
    const sub = command
      .command(verb)
      .description(what)
      .argument('[offsets...]', 'their numbers in the list', (text, before: number[] = []) => [
        ...before,
        offsetOf(text),
      ])
      .option('--all', 'every open one')
    if (verb === 'replay') {
      sub.option(
        '--value <file>',
        'with one offset: another value, as JSON like that of `dlq show`; - is standard input',
      )
      sub.option('--bytes <file>', 'with one offset: another value, its bytes as they are; - is standard input')
    }
    filtered(sub, 'with --all: only')
      .option('--application <name>', of)
      .action((offsets: number[] = [], options: ChangeOptions) => change(session, verb, offsets, options))
  }
}

/** What letters are chosen by. */
function filtered(command: Command, only: string): Command {
  return command
    .option('--code <code>', `${only} those with this code`)
    .option('--topic <topic>', `${only} records of this topic`)
    .option('--destination <name>', `${only} what a delivery could not deliver there`)
    .option('--since <time>', `${only} letters from this time on, as 2026-03-01T09:30:00Z`, time)
    .option('--until <time>', `${only} letters before this time`, time)
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
  options: ChangeOptions,
): Promise<void> {
  const { all, application, value, bytes, ...filter } = options
  if (all !== true && offsets.length === 0) throw new UsageError(`say which to ${verb}: offsets, or --all`)
  if (all === true && offsets.length > 0) throw new UsageError('give offsets or --all, not both')
  const chosen = Object.keys(filter)[0]
  if (all !== true && chosen !== undefined) throw new UsageError(`--${chosen} goes with --all`)
  if (value !== undefined && bytes !== undefined) throw new UsageError('--value or --bytes, not both')
  const isEdited = value !== undefined || bytes !== undefined
  if (isEdited && offsets.length !== 1) throw new UsageError('another value goes with one offset')
  const selection = {
    ...(all === true ? { all, ...filter } : { offsets }),
    ...(value !== undefined && { edit: { value: await jsonOf(session, value) } }),
    ...(bytes !== undefined && { edit: { valueBase64: (await contentOf(session, bytes)).toString('base64') } }),
  }
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

async function jsonOf(session: Session, file: string): Promise<unknown> {
  const text = (await contentOf(session, file)).toString('utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${messageOf(error)}`)
  }
}

async function contentOf({ surroundings: { stdin } }: Session, file: string): Promise<Buffer> {
  return file === '-' ? await buffer(stdin) : await readFile(file)
}

function sourceOf({ source, timer, pipeline }: Letter): string {
  return source === null ? `${pipeline}: timer ${timer}` : `${source.topic} ${source.partition}:${source.offset}`
}

function offsetOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not an offset.')
}
