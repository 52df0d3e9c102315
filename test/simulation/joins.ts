/**
 * Joins of every kind under simulation, some behind a keyBy, with disorder, late records, silence, deletions and wrong clocks.
 *
 * Each task tells in a topic, `seen`, what it reads and where its watermark is then. So when crashes and moves are over, the
 * rules alone (join-rules.ts) say which pairs, which sides alone, which changes there must be, in which order: each once.
 */
import {
  type AnyTopic,
  application,
  avro,
  json,
  pipeline,
  type Stream,
  type Topic,
  t,
  text,
  topic,
} from '../../src/index.ts'
import {
  encodeRecord,
  type Scenario,
  type SeededRandom,
  type SimulatedRecord,
  type SimulationEnd,
  type SimulationSpec,
} from '../../src/testing/index.ts'
import { type Change, changesOf, latestOf, lookUpsOf, pairsOf, type Reach, type Seen, type Told } from './join-rules.ts'

interface Event {
  id: number
  group: string
  at: number
  gone: boolean
}

const START = 1_700_000_000_000
const DISORDER = 40
const AHEAD = 10 * 60_000
const EVENTS = 200
/** Times are multiples of it, as all that is above: so that many lie on the very edge. */
const GRAIN = 5
const SETTLE_MS = 3_600_000
const PARTITIONS = 2

const value = avro('Event', { id: t.int, group: t.string, at: t.timestampMillis, gone: t.boolean })
const told = json<Told>()
/** The first two are read by their own keys, the others behind a keyBy. */
const sides = ['left', 'right', 'view', 'price', 'stock'] as const
type Side = (typeof sides)[number]
const inputs = Object.fromEntries(
  sides.map(side => [side, topic(`${side}s`, { key: text(), value, partitions: 2 })]),
) as Record<Side, Topic<string, Event>>

function output(name: string): Topic<string, Told> {
  return topic(name, { key: text(), value: told, partitions: PARTITIONS })
}

function reading(name: string, of: readonly Side[], isMoved: boolean) {
  const seen = topic(`seen-${name}`, { key: text(), value: json<Seen>(), partitions: PARTITIONS })
  const p = pipeline(name)
  const streams = of.map(side => {
    const read = p.from(inputs[side], {
      timestamp: one => one.at,
      outOfOrderness: DISORDER,
      idleAfter: '1s',
      maxAhead: AHEAD,
    })
    const stream = isMoved
      ? read.keyBy(`by-group-${side}`, one => one.group, { key: text(), value, partitions: PARTITIONS })
      : read
    stream
      .map(({ id, at, gone }, { watermark }): Seen => {
        return { side, id, at, gone, watermark: Number.isFinite(watermark) ? watermark : null }
      })
      .to(seen)
    return stream
  })
  return { p, seen, streams }
}

const reaches = {
  inner: { before: 30, after: 30, grace: 0, isOuter: [false, false] },
  left: { before: 20, after: 60, grace: 15, isOuter: [true, false] },
  outer: { before: 45, after: 5, grace: 0, isOuter: [true, true] },
  moved: { before: 50, after: 25, grace: 10, isOuter: [true, true] },
} as const satisfies Record<string, Reach>
type Kind = keyof typeof reaches
const kinds = ['inner', 'left', 'outer'] as const
type Kept = Stream<string, Event, never>
const kept = { left: value, right: value }

/** What there is to see of each join. */
export const pairs = { inner: output('inner'), left: output('left'), outer: output('outer'), moved: output('moved') }
export const late = { left: output('late-left'), outer: output('late-outer'), moved: output('late-moved') }
const both = (left: Event | null, right: Event | null): Told => ({ left: left?.id ?? null, right: right?.id ?? null })

function outerJoin(left: Kept, right: Kept, name: 'outer' | 'moved', store: 'memory' | 'disk'): void {
  const { isOuter: _, ...reach } = reaches[name]
  const joined = left.outerJoin(right, name, { ...reach, ...kept, store }, both)
  joined.to(pairs[name])
  joined.late.map(({ side, value: { id } }) => alone(side, id)).to(late[name])
}

function alone(side: 'left' | 'right', id: number): Told {
  return { left: null, right: null, [side]: id }
}

const streaming = reading('streams', ['left', 'right'], false)
{
  const [left, right] = streaming.streams as [Kept, Kept]
  // What is late here becomes dead letters.
  left.join(right, 'inner', { within: reaches.inner.before, ...kept }, both).to(pairs.inner)
  const { isOuter: _, ...ofLeft } = reaches.left
  const joinedLeft = left.leftJoin(right, 'left', { ...ofLeft, ...kept }, both)
  joinedLeft.to(pairs.left)
  joinedLeft.late.map(({ side, value: { id } }) => alone(side, id)).to(late.left)
  outerJoin(left, right, 'outer', 'disk')
}

export const lookUps = { inner: output('looked-up'), left: output('looked-up-left') }
export const changes = { inner: output('changes-inner'), left: output('changes-left'), outer: output('changes-outer') }
const latest = topic('latest', { key: text(), value: told, partitions: PARTITIONS, compacted: true })

const tables = reading('tables', ['view', 'price', 'stock'], true)
{
  const [view, ...others] = tables.streams as [Kept, Kept, Kept]
  outerJoin(view, others[1]!, 'moved', 'memory')
  const [price, stock] = others.map((stream, i) =>
    stream
      .map(one => (one.gone ? null : one))
      .toTable(['price', 'stock'][i]!, { value, rememberDeletions: '30d', store: i === 0 ? 'memory' : 'disk' }),
  ) as [ReturnType<typeof view.toTable>, ReturnType<typeof view.toTable>]
  view.join(price, both).to(lookUps.inner)
  view.leftJoin(price, both).to(lookUps.left)
  const outer = price.outerJoin(stock, both)
  outer.to(latest)
  const shown = (change: Told | null): Told => change ?? { left: null, right: null }
  price.join(stock, both).toStream().map(shown).to(changes.inner)
  price.leftJoin(stock, both).toStream().map(shown).to(changes.left)
  outer.toStream().map(shown).to(changes.outer)
}

const app = application('joins', { pipelines: [streaming.p, tables.p] })

export const simulation: SimulationSpec = { application: app, scenario }

function scenario(random: SeededRandom): Scenario {
  const records: SimulatedRecord[] = []
  const sent = new Map<Side, Event[]>(sides.map(side => [side, []]))
  const times = new Set<number>()
  let wrong = 0
  let now = START
  for (let id = 1; id <= EVENTS; id++) {
    now += GRAIN * (random.chance(0.05) ? random.below(80) : random.below(3))
    const isWrong = random.chance(0.02)
    const behind = GRAIN * (random.chance(0.1) ? random.below(50) : random.below(DISORDER / GRAIN + 1))
    let at = isWrong ? now + 365 * 86_400_000 : now - behind
    // Which of two equal times comes first behind the keyBy is nobody's promise.
    while (times.has(at)) at += GRAIN
    times.add(at)
    const side = random.pick(sides)
    const event = { id, group: `g${random.below(3)}`, at, gone: random.chance(0.3) }
    const isMoved = side !== 'left' && side !== 'right'
    records.push(encodeRecord(inputs[side], isMoved ? `k${random.below(7)}` : event.group, event))
    if (isWrong) wrong++
    else sent.get(side)!.push(event)
  }
  return { records, settleMs: SETTLE_MS, check: end => check(end, sent, wrong) }
}

function check(end: SimulationEnd, sent: ReadonlyMap<Side, readonly Event[]>, wrong: number): string[] {
  const violations: string[] = []
  const seen = { streams: byKey<Seen>(end, streaming.seen), tables: byKey<Seen>(end, tables.seen) }
  for (const side of sides) {
    const read = [...(side === 'left' || side === 'right' ? seen.streams : seen.tables).values()].flat()
    const ids = read.filter(one => one.side === side).map(({ id }) => id)
    const all = sent.get(side)!.map(({ id }) => id)
    differ(violations, `${side}: read`, ids.sort(), all.sort())
  }
  const letters = end.deadLetters().map(({ code }) => code)
  const tooLate = [...seen.streams.values()].flatMap(list => pairsOf(list, reaches.inner).late)
  const expected = [...tooLate.map(() => 'LATE_RECORD'), ...Array.from({ length: wrong }, () => 'TIMESTAMP_AHEAD')]
  differ(violations, 'dead letters', letters.sort(), expected)
  for (const kind of kinds) violations.push(...checkPairs(end, kind, seen.streams))
  const moved = [...seen.tables].map(([key, list]) => [key, list.flatMap(asSides)] as const)
  violations.push(...checkPairs(end, 'moved', new Map(moved)))
  violations.push(...checkTables(end, seen.tables), ...checkLatest(end, sent))
  return violations
}

function asSides(one: Seen): Seen[] {
  if (one.side === 'price') return []
  return [{ ...one, side: one.side === 'view' ? 'left' : 'right' }]
}

function checkPairs(end: SimulationEnd, kind: Kind, seen: ReadonlyMap<string, Seen[]>): string[] {
  const violations: string[] = []
  const results = byKey<Change>(end, pairs[kind])
  const tellLate = kind === 'inner' ? null : byKey<Change>(end, late[kind])
  for (const key of new Set([...seen.keys(), ...results.keys()])) {
    const expected = pairsOf(seen.get(key) ?? [], reaches[kind])
    const found = results.get(key) ?? []
    const isAlone = ({ left, right }: Told): boolean => left === null || right === null
    const name = `${kind} ${key}`
    differ(violations, `${name}: pairs`, found.filter(one => !isAlone(one)).map(shown), expected.pairs.map(shown))
    const single = found.filter(isAlone)
    differ(violations, `${name}: alone`, single.map(shown).sort(), expected.alone.map(shown).sort())
    const closed = single.map(one => one.timestamp + reachOf(one, reaches[kind]))
    if (closed.some((time, i) => i > 0 && time < closed[i - 1]!)) violations.push(`${name}: alone, in another order`)
    if (tellLate === null) continue
    const lateIds = (tellLate.get(key) ?? []).map(({ left, right }) => left ?? right)
    differ(violations, `${name}: late`, lateIds, expected.late)
  }
  return violations
}

function reachOf({ left }: Told, { before, after }: Reach): number {
  return left !== null ? after : before
}

function checkTables(end: SimulationEnd, seen: ReadonlyMap<string, Seen[]>): string[] {
  const violations: string[] = []
  for (const kind of kinds) {
    const results = byKey<Change>(end, changes[kind])
    for (const [key, list] of seen) {
      differ(violations, `tables ${kind} ${key}`, (results.get(key) ?? []).map(shown), changesOf(list, kind).map(shown))
    }
  }
  for (const kind of ['inner', 'left'] as const) {
    const results = byKey<Change>(end, lookUps[kind])
    for (const [key, list] of seen) {
      const expected = lookUpsOf(list, kind === 'left')
      differ(violations, `look-ups ${kind} ${key}`, (results.get(key) ?? []).map(shown), expected.map(shown))
    }
  }
  return violations
}

/** What is there at the end follows from what was sent, whatever was read first. */
function checkLatest(end: SimulationEnd, sent: ReadonlyMap<Side, readonly Event[]>): string[] {
  const violations: string[] = []
  const price = latestOf(sent.get('price')!)
  const stock = latestOf(sent.get('stock')!)
  for (const [name, expected] of [
    ['price', price],
    ['stock', stock],
  ] as const) {
    const rows = end
      .rows('tables', name)
      .filter(({ fields }) => fields.hasValue)
      .map(({ key, fields }) => `${key} ${(fields.value as Event).id}`)
    differ(violations, `rows of ${name}`, rows.sort(), [...expected].map(([key, id]) => `${key} ${id}`).sort())
  }
  const groups = [...new Set([...price.keys(), ...stock.keys()])]
  const expected = groups.map(key => `${key} ${price.get(key) ?? null} ${stock.get(key) ?? null}`)
  const last = new Map(end.records(latest).map(record => [record.key as string, record.value as Told | null]))
  const found = [...last].flatMap(([key, one]) => (one === null ? [] : [`${key} ${one.left} ${one.right}`]))
  differ(violations, 'compacted', found.sort(), expected.sort())
  return violations
}

function byKey<T>(end: SimulationEnd, of: AnyTopic): Map<string, T[]> {
  const lists = new Map<string, T[]>()
  for (const { key, value: one, timestamp } of end.records(of)) {
    const list = lists.get(key as string) ?? []
    list.push({ ...(one as T), timestamp })
    lists.set(key as string, list)
  }
  return lists
}

function shown({ left, right, timestamp }: Change): string {
  return `${left}+${right} at ${timestamp - START}`
}

function differ(violations: string[], what: string, found: readonly unknown[], expected: readonly unknown[]): void {
  if (found.join() === expected.join()) return
  const wrong = found.filter(one => !expected.includes(one)).slice(0, 3)
  const missing = expected.filter(one => !found.includes(one)).slice(0, 3)
  const counts = `${found.length} instead of ${expected.length}`
  violations.push(`${what}: [${wrong}] should not be there, [${missing}] is missing; ${counts}, or another order`)
}
