import { AldebaranError, messageOf } from '../errors.ts'
import { MAX_STORED_BYTES } from '../log/unit.ts'
import type { RecordSink } from '../pipeline/outlet.ts'
import type { AnyTopic } from '../pipeline/topic.ts'
import { type Header, headersSize } from '../record/headers.ts'

/**
 * A dead letter is a record of the application's dead-letter topic: key and value are the bytes that could not be
 * processed, its headers say why and where they lay. Header values are UTF-8 text.
 */
export const DEAD_LETTER_HEADERS = {
  code: 'aldebaran.code',
  message: 'aldebaran.message',
  pipeline: 'aldebaran.pipeline',
  topic: 'aldebaran.topic',
  partition: 'aldebaran.partition',
  offset: 'aldebaran.offset',
  timestamp: 'aldebaran.timestamp',
  /** Of a timer: table and timer. */
  timer: 'aldebaran.timer',
  /** Of an event of a delivery: its id. */
  event: 'aldebaran.event',
  /** Of a record that was too large for a dead letter: what was cut, and how much it had. The rest is where it lay. */
  cut: 'aldebaran.cut',
} as const

const MESSAGE_CHARACTERS = 2000
/** What a dead letter may hold; the rest of a batch is header and lengths. */
const MOST_BYTES = MAX_STORED_BYTES - 256
/** A key that has to be cut keeps that much. */
const CUT_KEY_BYTES = 1024

export interface DeadLetterOrigin {
  pipeline: string
  topic: string
  partition: number
  /** −1 for a timer. */
  offset: number
  timestamp: number
  /** 'table/timer', or null for a record. */
  timer: string | null
  /** Of an event of a delivery: its id. */
  event?: string
}

export interface RecordBytes {
  key: Buffer | null
  keyStart: number
  keyEnd: number
  value: Buffer
  /** −1: the value is null. */
  valueStart: number
  valueEnd: number
  /** The record's own headers, kept for a replay. */
  headers: readonly Header[]
}

export function sendDeadLetter(
  sink: RecordSink,
  deadLetters: AnyTopic,
  origin: DeadLetterOrigin,
  record: RecordBytes,
  error: unknown,
  now: number,
): void {
  const names = DEAD_LETTER_HEADERS
  const own = record.headers.filter(header => !header.key.startsWith('aldebaran.'))
  const headers: Header[] = [
    header(names.code, error instanceof AldebaranError ? error.code : 'HANDLER_THREW'),
    header(names.message, messageOf(error).slice(0, MESSAGE_CHARACTERS)),
    header(names.pipeline, origin.pipeline),
    header(names.topic, origin.topic),
    header(names.partition, String(origin.partition)),
    header(names.offset, String(origin.offset)),
    header(names.timestamp, String(origin.timestamp)),
  ]
  if (origin.timer !== null) headers.push(header(names.timer, origin.timer))
  if (origin.event !== undefined) headers.push(header(names.event, origin.event))
  const keyStart = record.key === null ? -1 : record.keyStart
  const { keyEnd, valueEnd } = fit(headers, own, keyStart, record)
  const { key, value, valueStart } = record
  sink.append(deadLetters, 0, now, key, keyStart, keyEnd, value, valueStart, valueEnd, headers)
}

/**
 * Adds the record's own headers to `headers` if there is room for all, and says where key and value are to end. A record
 * that the log takes from a producer of ours fits; one from elsewhere, or out of a compressed batch, may not.
 */
function fit(
  headers: Header[],
  own: readonly Header[],
  keyStart: number,
  record: RecordBytes,
): { keyEnd: number; valueEnd: number } {
  let { keyEnd, valueEnd } = record
  const room = MOST_BYTES - headersSize(headers)
  const keyBytes = keyStart < 0 ? 0 : keyEnd - keyStart
  const valueBytes = record.valueStart < 0 ? 0 : valueEnd - record.valueStart
  const all = keyBytes + valueBytes + headersSize(own)
  if (all <= room) {
    headers.unshift(...own)
    return { keyEnd, valueEnd }
  }
  const cut = own.length === 0 ? [] : [`${own.length} headers`]
  if (keyBytes + valueBytes > room && keyBytes > CUT_KEY_BYTES) {
    cut.push(`a key of ${keyBytes} bytes`)
    keyEnd = keyStart + CUT_KEY_BYTES
  }
  const left = room - (keyStart < 0 ? 0 : keyEnd - keyStart)
  if (valueBytes > left) {
    cut.push(`a value of ${valueBytes} bytes`)
    valueEnd = record.valueStart + left
  }
  headers.push(header(DEAD_LETTER_HEADERS.cut, cut.join(', ')))
  return { keyEnd, valueEnd }
}

function header(key: string, text: string): Header {
  return { key, value: Buffer.from(text) }
}
