/**
 * What must be true of a delivery after a simulation, from what was sent to it and the ledger of those outside.
 *
 * 1. Each event is delivered, a dead letter, or (at-most-once) in doubt; and is a dead letter at most once.
 * 2. It is tried again only after a failure, after its time was over, after its sender was lost with what it had not
 *    committed; at-most-once only after a failure that is certain, or when an operator said so.
 * 3. In doubt is exactly what nobody knows the end of.
 * 4. Of a lane, an event begins when those before it have ended. No more are under way than may be.
 * 5. Each try has the next number, but after one that was throttled; none is above what was allowed.
 * 6. A destination that is gone is not tried again before somebody resumes it.
 * 7. Nothing waits any more, and what destinations say they have is what there is.
 */
import { partsOfKey, type RowKind } from '../../src/delivery/due-event.ts'
import type { RowCopy } from '../../src/state/contract.ts'
import type { ReadRecord, SentTry } from '../../src/testing/index.ts'

export interface Expected {
  readonly n: number
  readonly id: string
  readonly destination: string
  readonly partition: number
  readonly offset: number
  readonly lane: string
  readonly priority: number
  /** An event with its id came before. */
  readonly repeated: boolean
}

export interface Subject {
  readonly name: string
  readonly atMostOnce: boolean
  readonly attempts: number
  /** Of a destination, in one task. */
  readonly concurrency: number
  readonly expected: readonly Expected[]
  readonly tries: readonly SentTry[]
  readonly letters: readonly ReadRecord[]
  /** Records whose route throws. */
  readonly bad: number
  readonly due: readonly RowCopy[]
  readonly destinations: readonly RowCopy[]
  /** After that place no sender was lost. */
  readonly lastLoss: number
  /** An operator may have sent it to the dead letters, or had it sent. */
  mayDrop(event: Expected): boolean
  maySend(event: Expected): boolean
}

export function checkDelivery(subject: Subject): string[] {
  const { name, expected, tries } = subject
  const triesOf = Map.groupBy(tries, one => nameOf({ ...(one.value as Numbered), destination: one.destination }))
  const known = new Set(expected.map(nameOf))
  const problems = [...triesOf.keys()].filter(key => !known.has(key)).map(key => `${key} was never to be sent`)
  const lettersOf = lettersByEvent(subject)
  const doubtful = new Set(
    subject.due
      .map(rowOf)
      .filter(({ kind }) => kind === 'd')
      .map(({ event }) => event),
  )
  for (const event of expected) {
    const called = nameOf(event)
    const own = triesOf.get(called) ?? []
    const fate = { letters: lettersOf.get(called) ?? 0, inDoubt: doubtful.has(called) }
    const told = [
      ...repeats(subject, event, own),
      ...(subject.atMostOnce ? endAtMostOnce(subject, event, own, fate) : endAtLeastOnce(subject, event, own, fate)),
    ]
    problems.push(...told.map(what => `event ${event.n} to ${event.destination}, tried ${own.length} times, ${what}`))
  }
  const refused = [...lettersOf].filter(([event]) => !known.has(event))
  if (refused.some(([, count]) => count > 1) || refused.length !== subject.bad) {
    problems.push(`${refused.length} of ${subject.bad} bad records are dead letters, once each`)
  }
  problems.push(...overtaken(subject, triesOf, doubtful), ...tooMany(subject), ...gone(subject), ...leftBehind(subject))
  return problems.map(problem => `${name}: ${problem}`)
}

interface Fate {
  readonly letters: number
  readonly inDoubt: boolean
}

const FAILED = ['retry', 'throttle', 'unknown']
const FAILED_FOR_CERTAIN = ['retry', 'throttle']
const REFUSED = ['reject', 'disable']

/** Its sender heard of that try. */
function heard(one: SentTry, outcomes: readonly string[]): boolean {
  return one.told !== null && outcomes.includes(one.told)
}

function isUnknown(one: SentTry): boolean {
  return one.told === null || one.told === 'unknown'
}

function repeats(subject: Subject, event: Expected, own: readonly SentTry[]): string[] {
  const { atMostOnce, attempts } = subject
  if (own.some(({ number }) => number > attempts)) return ['had more tries than it may have']
  return own.slice(1).flatMap((next, i) => {
    const before = own[i]!
    const wasLost = before.lostAt !== null && before.lostAt < next.begunAt
    const mayRepeat = atMostOnce
      ? heard(before, FAILED_FOR_CERTAIN) || subject.maySend(event)
      : heard(before, FAILED) || before.aborted || wasLost
    if (!mayRepeat) return [`was sent again after it was ${before.told ?? 'not answered'}`]
    // At-most-once, a try that was lost before it was sent has a number too.
    const least = before.told === 'throttle' ? before.number : before.number + 1
    const isNext = atMostOnce ? next.number >= least : next.number === least
    return isNext || wasLost ? [] : [`had try ${next.number} after ${before.number}`]
  })
}

function endAtLeastOnce(subject: Subject, event: Expected, own: readonly SentTry[], fate: Fate): string[] {
  const last = own.at(-1)
  const { letters, inDoubt } = fate
  if (inDoubt) return ['is in doubt']
  if (letters > 1) return [`is a dead letter ${letters} times`]
  if (letters === 1) {
    const isSpent = last !== undefined && (last.number >= subject.attempts || heard(last, REFUSED))
    if (last?.told === 'delivered' && last.settled) return ['was delivered, and is a dead letter']
    return isSpent || subject.mayDrop(event) ? [] : ['is a dead letter for no reason']
  }
  return last?.told === 'delivered' ? [] : ['was lost']
}

function endAtMostOnce(subject: Subject, event: Expected, own: readonly SentTry[], fate: Fate): string[] {
  const last = own.at(-1)
  const { letters, inDoubt } = fate
  const { lastLoss } = subject
  if (letters > 1) return [`is a dead letter ${letters} times`]
  if (letters === 1 && inDoubt) return ['is a dead letter and in doubt']
  if (letters === 1) {
    if (last?.told === 'delivered' && last.settled) return ['was delivered, and is a dead letter']
    const isRefused = last !== undefined && heard(last, REFUSED)
    return isRefused || subject.mayDrop(event) ? [] : ['is a dead letter for no reason']
  }
  if (inDoubt) {
    if (last?.settled === true && !isUnknown(last)) return lostSince(last, lastLoss)
    return last !== undefined ? [] : lostSince(last, lastLoss)
  }
  if (last === undefined) return ['was lost']
  if (isUnknown(last)) return ['is not in doubt, and nobody knows its end']
  return last.told === 'delivered' ? [] : ['was lost']
}

/** Its end is known, but for another try that was about to begin when somebody was lost. */
function lostSince(last: SentTry | undefined, lastLoss: number): string[] {
  if (last?.told === 'delivered' || (last !== undefined && heard(last, REFUSED)))
    return ['is in doubt, and its end is known']
  return lastLoss > (last?.endedAt ?? 0) ? [] : ['is in doubt, and nobody was lost']
}

/** When an event of a lane had ended for the first time; at-most-once that it is in doubt is an end too. */
function endOf(subject: Subject, own: readonly SentTry[]): number {
  for (const one of own) {
    const isEnd =
      one.told === 'delivered' ||
      heard(one, REFUSED) ||
      (subject.atMostOnce && (isUnknown(one) || one.lostAt !== null)) ||
      (one.number >= subject.attempts && one.told !== 'throttle')
    if (isEnd && one.endedAt !== null) return one.endedAt
  }
  return Number.POSITIVE_INFINITY
}

function overtaken(
  subject: Subject,
  triesOf: ReadonlyMap<string, readonly SentTry[]>,
  doubtful: ReadonlySet<string>,
): string[] {
  const lanes = Map.groupBy(
    subject.expected.filter(({ lane }) => lane !== ''),
    ({ lane, destination, partition }) => `${partition} ${destination} ${lane}`,
  )
  const problems: string[] = []
  for (const [lane, all] of lanes) {
    let before: Expected | null = null
    for (const event of all) {
      const own = triesOf.get(nameOf(event)) ?? []
      // What an operator dropped, or took out of doubt, has left its lane.
      if (subject.mayDrop(event) || subject.maySend(event) || own.length === 0) continue
      const first = own[0]!.begunAt
      const tries = before === null ? [] : triesOf.get(nameOf(before))!
      if (before !== null && endOf(subject, tries) > first) {
        problems.push(`event ${event.n} overtook ${before.n} in lane ${lane}`)
      }
      // When it came to be in doubt, before another try, nobody outside has seen.
      if (!doubtful.has(nameOf(event)) || isUnknown(own.at(-1)!)) before = event
    }
  }
  return problems
}

/** Those begun together all hear that it is gone. */
function gone({ tries, concurrency, expected }: Subject): string[] {
  const partitions = new Map(expected.map(({ n, partition }) => [n, partition]))
  const refused = tries.filter(one => one.told === 'disable' && one.lostAt === null && one.destination === 'gone')
  const groups = Map.groupBy(refused, one => partitions.get((one.value as Numbered).n))
  return [...groups.values()].filter(({ length }) => length > concurrency).map(() => 'was tried when it was gone')
}

function tooMany({ tries, concurrency, expected }: Subject): string[] {
  const partitions = new Map(expected.map(({ n, partition }) => [n, partition]))
  const groups = Map.groupBy(tries, one => `${partitions.get((one.value as Numbered).n)} ${one.destination}`)
  return [...groups].flatMap(([where, own]) => {
    const most = Math.max(
      ...own.map(
        ({ begunAt }) => own.filter(one => one.begunAt <= begunAt && (one.endedAt ?? Infinity) > begunAt).length,
      ),
    )
    return most > concurrency ? [`${most} were under way at ${where} at once`] : []
  })
}

function leftBehind({ due, destinations, atMostOnce }: Subject): string[] {
  const rows = due.map(rowOf)
  const doubtful = rows.filter(({ kind }) => kind === 'd').length
  const left = rows
    .filter(({ kind }) => kind !== 'd' || !atMostOnce)
    .map(({ kind, event }) => `a row ${kind} of ${event} was left behind`)
  const inDoubt = destinations.reduce((sum, { fields }) => sum + Number(fields.inDoubt), 0)
  const waiting = destinations.reduce((sum, { fields }) => sum + Number(fields.waiting) + Number(fields.scheduled), 0)
  if (inDoubt !== doubtful) left.push(`${inDoubt} are said to be in doubt, and ${doubtful} are`)
  if (waiting !== rows.length - doubtful) left.push(`${waiting} are said to wait, and ${rows.length - doubtful} do`)
  return left
}

/** Dead letters of a delivery, by their events. */
function lettersByEvent({ name, letters }: Subject): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { headers, value } of letters) {
    const text = (key: string) => headers.find(header => header.key === key)?.value?.toString() ?? ''
    if (text('aldebaran.pipeline') !== name) continue
    const { n } = JSON.parse(Buffer.from(String(value), 'base64').toString()) as Numbered
    const event = nameOf({ n, destination: text('aldebaran-destination') })
    counts.set(event, (counts.get(event) ?? 0) + 1)
  }
  return counts
}

interface Numbered {
  readonly n: number
}

function nameOf({ n, destination }: Numbered & { readonly destination: string }): string {
  return `${n} to ${destination}`
}

/** Whose row that is, and what it waits for. */
function rowOf({ key, fields }: RowCopy): { kind: RowKind; event: string } {
  const { kind, destination } = partsOfKey(String(key))
  const { n } = JSON.parse(Buffer.from(fields.value as Uint8Array).toString()) as Numbered
  return { kind, event: nameOf({ n, destination }) }
}
