import { messageOf } from '../errors.ts'
import type { BatchCursor } from '../record/batch-cursor.ts'
import type { Header } from '../record/headers.ts'
import { DEAD_LETTER_HEADERS } from '../runtime/dead-letters.ts'
import type { Running } from '../runtime/start.ts'
import { type Shown, show } from './codec.ts'
import { viewHeaders } from './record-view.ts'
import type { SiteTopic } from './site-topic.ts'

export type LetterState = 'open' | 'replayed' | 'purged'

/** A dead letter as it lies in its topic; the bytes are its own. */
export interface Letter {
  offset: number
  /** When it became one, ms since 1970. */
  time: number
  code: string
  message: string
  pipeline: string
  /** Where the record lay; a timer: '', −1 and the deadline. */
  topic: string
  partition: number
  sourceOffset: number
  sourceTimestamp: number
  /** 'table/timer', or null for a record. */
  timer: string | null
  /** Of an event of a delivery that was given up: its id. */
  event: string | null
  /** What of the record was too large for a dead letter, or null: it is whole. */
  cut: string | null
  key: Buffer | null
  value: Buffer | null
  /** Of the record. */
  headers: Header[]
}

/** A dead letter as HTTP shows it. */
export interface LetterView {
  offset: number
  time: number
  state: LetterState
  /** When it was replayed or purged, ms since 1970. */
  stateTime: number | null
  code: string
  message: string
  pipeline: string
  source: { topic: string; partition: number; offset: number; timestamp: number } | null
  timer: string | null
  /** Of an event of a delivery that was given up: its id. */
  event: string | null
  /** Null: it can be replayed. Else why not. */
  notReplayable: string | null
  key: unknown
  keyBase64?: string
  value: unknown
  valueBase64?: string
  valueError?: { code: string; message: string }
  headers: ReturnType<typeof viewHeaders>
}

/** The record the cursor is at, copied. */
export function readLetter(cursor: BatchCursor): Letter {
  const { bytes } = cursor
  const all = cursor.headers()
  const text = (name: string): string | undefined => {
    const value = all.findLast(header => header.key === name)?.value
    return value === null || value === undefined ? undefined : Buffer.from(value).toString('utf8')
  }
  const number = (name: string): number => Number(text(name) ?? -1)
  return {
    offset: cursor.offset,
    time: cursor.timestamp,
    code: text(DEAD_LETTER_HEADERS.code) ?? 'HANDLER_THREW',
    message: text(DEAD_LETTER_HEADERS.message) ?? '',
    pipeline: text(DEAD_LETTER_HEADERS.pipeline) ?? '',
    topic: text(DEAD_LETTER_HEADERS.topic) ?? '',
    partition: number(DEAD_LETTER_HEADERS.partition),
    sourceOffset: number(DEAD_LETTER_HEADERS.offset),
    sourceTimestamp: number(DEAD_LETTER_HEADERS.timestamp),
    timer: text(DEAD_LETTER_HEADERS.timer) ?? null,
    event: text(DEAD_LETTER_HEADERS.event) ?? null,
    cut: text(DEAD_LETTER_HEADERS.cut) ?? null,
    key: cursor.keyStart < 0 ? null : Buffer.from(bytes.subarray(cursor.keyStart, cursor.keyEnd)),
    value: cursor.valueStart < 0 ? null : Buffer.from(bytes.subarray(cursor.valueStart, cursor.valueEnd)),
    headers: all
      .filter(header => !header.key.startsWith('aldebaran.'))
      .map(({ key, value }) => ({ key, value: value === null ? null : Buffer.from(value) })),
  }
}

/** Why a letter cannot be replayed, or null. */
export function whyNotReplayable(letter: Letter, source: SiteTopic | null): string | null {
  if (letter.timer !== null || letter.sourceOffset < 0) {
    return 'it is of a timer, and no record: a timer that threw is cleared, and cannot run again'
  }
  if (letter.cut !== null) {
    return `it is not whole: it was cut for being too large (${letter.cut}); the record lies where it was read`
  }
  if (source === null) return `its topic ${letter.topic} does not exist any more`
  if (!(letter.partition >= 0 && letter.partition < source.info.partitions)) {
    return `its topic ${letter.topic} has no partition ${letter.partition}`
  }
  return null
}

export function viewLetter(
  letter: Letter,
  mark: { state: LetterState; time: number } | null,
  source: SiteTopic | null,
  running: Running,
): LetterView {
  const key = showKey(letter, source, running)
  const value = showValue(letter, source)
  const view: LetterView = {
    offset: letter.offset,
    time: letter.time,
    state: mark?.state ?? 'open',
    stateTime: mark?.time ?? null,
    code: letter.code,
    message: letter.message,
    pipeline: letter.pipeline,
    source:
      letter.timer === null
        ? {
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.sourceOffset,
            timestamp: letter.sourceTimestamp,
          }
        : null,
    timer: letter.timer,
    event: letter.event,
    notReplayable: whyNotReplayable(letter, source),
    key: key.value,
    value: value.value,
    headers: viewHeaders(letter.headers),
  }
  if (key.base64 !== undefined) view.keyBase64 = key.base64
  if (value.base64 !== undefined) view.valueBase64 = value.base64
  if (value.error !== undefined) view.valueError = value.error
  return view
}

/** The key of a timer is that of its table. */
function showKey(letter: Letter, source: SiteTopic | null, running: Running): Shown {
  const { key } = letter
  if (key === null) return { value: null }
  const table = letter.timer?.split('/')[0]
  const part = running.plans.find(plan => plan.part.pipeline === letter.pipeline)?.part
  const schema =
    table === undefined ? source?.key : part?.tables.find(node => node.definition.name === table)?.definition.key
  return schema === undefined ? asBase64(key, 'its schema is not known') : show(schema, key, 0, key.length)
}

/** The value of a timer is its row, as JSON. */
function showValue(letter: Letter, source: SiteTopic | null): Shown {
  const { value } = letter
  if (value === null) return { value: null }
  if (letter.timer !== null) {
    try {
      return { value: value.length === 0 ? null : JSON.parse(value.toString('utf8')) }
    } catch (error) {
      return asBase64(value, messageOf(error))
    }
  }
  return source === null
    ? asBase64(value, 'its topic does not exist any more')
    : show(source.value, value, 0, value.length)
}

function asBase64(bytes: Buffer, message: string): Shown {
  return { value: null, base64: bytes.toString('base64'), error: { code: 'VALUE_UNDECODABLE', message } }
}
