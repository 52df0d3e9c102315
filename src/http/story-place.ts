/** An event at one destination, from what is known of it there. */
import type { AttemptRecord } from '../delivery/contract.ts'
import type { LetterView } from './dead-letter.ts'
import type { AttemptView, DestinationState, StoryAction, StoryPlace, StoryState } from './delivery-shape.ts'
import { type EventRow, eventAt } from './event-rows.ts'

/** Of a destination, as its task says. */
export interface DestinationNow {
  readonly state: DestinationState
  readonly reason: string
  /** Nothing before, ms since 1970; 0: now. */
  readonly notBefore: number
}

/** `attempts`: the newest first. */
export function placeOf(
  destination: string,
  row: EventRow | null,
  letter: LetterView | null,
  attempts: readonly AttemptRecord[],
  now: DestinationNow | null,
): StoryPlace {
  const [newest] = attempts
  const state = stateOf(row, letter, newest)
  const isCommanded = row !== null && !row.isLive && (state === 'in-doubt' || state === 'scheduled')
  const isDead = state === 'dead' && letter !== null && letter.state === 'open'
  const ofLetter: StoryAction[] = isDead ? [...(letter.notReplayable === null ? ['replay' as const] : []), 'purge'] : []
  return {
    destination,
    tenant: row?.fields.tenant ?? newest?.tenant ?? '',
    state,
    since: row?.fields.since ?? null,
    tries: row?.fields.tries ?? newest?.number ?? 0,
    error: row?.fields.error ?? attempts.find(one => one.error !== '')?.error ?? '',
    next: nextOf(state, row, letter, now),
    event: isCommanded ? eventAt(row.partition, row.key) : null,
    letter: letter === null ? null : viewLetter(letter),
    actions: isCommanded ? ['send', 'drop'] : ofLetter,
    attempts: attempts.map(viewAttempt),
  }
}

const STATES = { q: 'waiting', r: 'scheduled', i: 'under-way', d: 'in-doubt' } as const

function stateOf(row: EventRow | null, letter: LetterView | null, newest: AttemptRecord | undefined): StoryState {
  // What the backlog has was taken in after all that ended.
  if (row !== null) return STATES[row.kind]
  const isLater = newest !== undefined && (letter === null || newest.at > letter.time)
  if (isLater && newest.outcome === 'delivered') return 'delivered'
  if (letter !== null) return letter.state === 'replayed' ? 'not-known' : 'dead'
  return newest?.outcome === 'reject' || newest?.outcome === 'disable' ? 'dead' : 'not-known'
}

function nextOf(
  state: StoryState,
  row: EventRow | null,
  letter: LetterView | null,
  now: DestinationNow | null,
): StoryPlace['next'] {
  if (state === 'in-doubt') return { at: null, why: `whether it arrived is not known: ${row?.fields.error ?? ''}` }
  if (state === 'not-known') {
    if (letter?.state === 'replayed') return { at: null, why: 'its dead letter was replayed' }
    return { at: null, why: 'it was found nowhere: it has moved just now, or its traces are deleted' }
  }
  if (row === null || (state !== 'waiting' && state !== 'scheduled')) return null
  const { tries, error, notBefore } = row.fields
  const own = state === 'scheduled' ? notBefore : 0
  if (now?.state === 'paused') return { at: null, why: `its destination is paused: ${now.reason}` }
  const later = now === null ? 0 : now.notBefore
  if (later > own && now?.state === 'open') return { at: later, why: 'the breaker of its destination is open' }
  if (later > own) return { at: later, why: 'its destination says that it is busy' }
  if (state === 'waiting') return { at: null, why: 'it goes when its turn comes' }
  return { at: own, why: tries === 0 ? 'it was delayed' : `try ${tries} failed: ${error}` }
}

function viewLetter({ offset, time, state, stateTime, message, notReplayable }: LetterView): StoryPlace['letter'] {
  return { offset, time, state, stateTime, message, notReplayable }
}

function viewAttempt({ number, at, ms, outcome, error, detail }: AttemptRecord): AttemptView {
  return { number, at, ms, outcome, error, detail }
}
