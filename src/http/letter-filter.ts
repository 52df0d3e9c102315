import { DESTINATION_HEADER } from '../delivery/intake.ts'
import type { Letter, LetterState } from './dead-letter.ts'
import type { Mark } from './letter-marks.ts'

/** Which dead letters are meant; what is undefined lets any pass. */
export interface LetterFilter {
  code: string | undefined
  topic: string | undefined
  /** Of a delivery: where it was not delivered. */
  destination?: string | undefined
  /** Of a delivery: the id of the event. */
  event?: string | undefined
  /** When it became a dead letter: not before, and before; ms since 1970. */
  since?: number | undefined
  until?: number | undefined
  state: LetterState | undefined
}

export function passes(letter: Letter, mark: Mark | null, filter: LetterFilter): boolean {
  const { code, topic, destination, event, since = 0, until = Number.POSITIVE_INFINITY, state } = filter
  return (
    (code === undefined || letter.code === code) &&
    (topic === undefined || letter.topic === topic) &&
    (destination === undefined || destinationOf(letter) === destination) &&
    (event === undefined || letter.event === event) &&
    letter.time >= since &&
    letter.time < until &&
    (state === undefined || (mark?.state ?? 'open') === state)
  )
}

export function destinationOf({ headers }: Letter): string | undefined {
  const value = headers.find(({ key }) => key === DESTINATION_HEADER)?.value
  return value === undefined || value === null ? undefined : Buffer.from(value).toString()
}
