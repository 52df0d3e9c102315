import { AldebaranError } from '../errors.ts'

/** One value of a body. The object is used again for the next. */
export interface BodyItem {
  /** The line it stands on, from 1, in formats that have lines. */
  line: number | null
  /** Parsed JSON, or undefined where the value is bytes of the schema already: `bytes[start, end)`. */
  json: unknown
  bytes: Buffer | null
  start: number
  end: number
  error: AldebaranError | null
}

/** More values than this in a request are refused, so that many tiny ones cannot fill the memory. */
export const MOST_ITEMS = 1_000_000

export function newItem(): BodyItem {
  return { line: null, json: undefined, bytes: null, start: 0, end: 0, error: null }
}

export function tooMany(): AldebaranError {
  return new AldebaranError('BODY_TOO_LARGE', `the body has more than ${MOST_ITEMS} values`, { values: MOST_ITEMS })
}
