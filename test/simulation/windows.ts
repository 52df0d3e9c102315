/**
 * Windows of every kind under simulation, behind a keyBy, with disorder, late readings, silence and wrong clocks.
 *
 * When crashes and moves are over, what every window told last is what a program finds that has all readings in a list but
 * those that were told to be late: so each counted once, in all its windows, whatever happened.
 */
import {
  application,
  avro,
  count,
  json,
  pipeline,
  rolling,
  session,
  sliding,
  sum,
  t,
  text,
  topic,
  tumbling,
} from '../../src/index.ts'
import {
  encodeRecord,
  type Scenario,
  type SeededRandom,
  type SimulatedRecord,
  type SimulationEnd,
  type SimulationSpec,
} from '../../src/testing/index.ts'

interface Event {
  id: number
  group: string
  at: number
}

interface Told {
  start: number
  end: number
  timing: string
  n: number
  ids: number
}

const START = 1_700_000_000_000
const DISORDER = 40
const SIZE = 100
const GAP = 30
const SPAN = 150
const LATENESS = 60
const AHEAD = 10 * 60_000
const EVENTS = 150
const SETTLE_MS = 3_600_000

const events = topic('events', {
  key: text(),
  value: avro('Event', { id: t.int, group: t.string, at: t.timestampMillis }),
  partitions: 3,
})
/** Windows of readings, and `corrected`: rolling windows of the results of the tumbling ones. */
const kinds = ['tumbling', 'session', 'rolling', 'sliding'] as const
const outputs = [...kinds, 'corrected'] as const
type Output = (typeof outputs)[number]
const told = Object.fromEntries(
  outputs.map(name => [name, topic(`told-${name}`, { key: text(), value: json<Told>(), partitions: 2 })]),
)
const late = Object.fromEntries(
  kinds.map(name => [name, topic(`late-${name}`, { key: text(), value: events.value, partitions: 2 })]),
)

const p = pipeline('p')
const grouped = p
  .from(events, { timestamp: one => one.at, outOfOrderness: DISORDER, idleAfter: '1s', maxAhead: AHEAD })
  .keyBy('by-group', one => one.group, { key: text(), value: events.value, partitions: 2 })
const windows = {
  tumbling: grouped.window('tumbling', tumbling(SIZE), { allowedLateness: LATENESS }),
  session: grouped.window('session', session(GAP)),
  rolling: grouped.window('rolling', rolling(SPAN), { allowedLateness: LATENESS }),
  sliding: grouped.window('sliding', sliding(SPAN), { allowedLateness: LATENESS, store: 'disk' }),
}
for (const name of kinds) {
  windows[name].late.to(late[name]!)
  const results = windows[name].aggregate({ n: count(), ids: sum(one => one.id) })
  results
    .map(({ windowStart, windowEnd, timing, n, ids }): Told => ({ start: windowStart, end: windowEnd, timing, n, ids }))
    .to(told[name]!)
  if (name === 'tumbling') {
    results
      .window('corrected', rolling(SPAN), { allowedLateness: LATENESS, corrects: true })
      .aggregate({ n: sum(one => one.n), ids: sum(one => one.ids) })
      .map(
        ({ windowStart, windowEnd, timing, n, ids }): Told => ({ start: windowStart, end: windowEnd, timing, n, ids }),
      )
      .to(told.corrected!)
  }
}
const app = application('windows', { pipelines: [p] })

export const simulation: SimulationSpec = { application: app, scenario }

function scenario(random: SeededRandom): Scenario {
  const records: SimulatedRecord[] = []
  const sent: Event[] = []
  const times = new Set<number>()
  let wrong = 0
  let now = START
  for (let id = 1; id <= EVENTS; id++) {
    now += random.chance(0.05) ? random.below(400) : random.below(12)
    const isWrong = random.chance(0.02)
    const behind = random.chance(0.1) ? random.below(200) : random.below(DISORDER)
    let at = isWrong ? now + 365 * 86_400_000 : now - behind
    // Which of two equal times comes first behind the keyBy is nobody's promise.
    while (times.has(at)) at++
    times.add(at)
    const event = { id, group: `g${random.below(3)}`, at }
    records.push(encodeRecord(events, `k${random.below(7)}`, event))
    if (isWrong) wrong++
    else sent.push(event)
  }
  return { records, settleMs: SETTLE_MS, check: end => check(end, sent, wrong) }
}

function check(end: SimulationEnd, sent: readonly Event[], wrong: number): string[] {
  const violations: string[] = []
  const letters = end.records(app.deadLetters).length
  if (letters !== wrong) violations.push(`${letters} dead letters instead of ${wrong}`)
  for (const name of outputs) {
    const tooLate = end.records(late[name === 'corrected' ? 'tumbling' : name]!).map(({ value }) => (value as Event).id)
    const missed = new Set(tooLate)
    if (missed.size !== tooLate.length) violations.push(`${name}: a reading was told to be late twice`)
    const counted = sent.filter(({ id }) => !missed.has(id))
    const results = end.records(told[name]!).map(({ key, value }) => ({ key: key as string, ...(value as Told) }))
    violations.push(...compare(name, results, expectedOf(name, counted)))
  }
  return violations
}

type Result = Told & { key: string }

/** What was told last counts; a session is told once. */
function compare(name: Output, results: readonly Result[], expected: readonly string[]): string[] {
  const shown = ({ key, start, end, n, ids }: Result): string => `${key} ${start - START} ${end - START}: ${n}, ${ids}`
  const last = () => [...new Map(results.map(result => [`${result.key} ${result.start}`, shown(result)])).values()]
  const found = name === 'session' ? joined(results).map(shown) : last()
  const onTime = results.filter(({ timing }) => timing === 'onTime').map(({ key, start }) => `${key} ${start}`)
  const violations: string[] = []
  if (new Set(onTime).size !== onTime.length && name !== 'session') violations.push(`${name}: a window ended twice`)
  const [a, b] = [[...found].sort(), [...expected].sort()]
  if (a.join() !== b.join()) {
    const wrong = a.filter(one => !b.includes(one)).slice(0, 3)
    const missing = b.filter(one => !a.includes(one)).slice(0, 3)
    violations.push(`${name}: told [${wrong}] instead of [${missing}], ${a.length} instead of ${b.length}`)
  }
  return violations
}

/** A session that had ended does not grow: what comes within its gap and not too late makes another one. */
function joined(results: readonly Result[]): Result[] {
  const sorted = results.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.start - b.start))
  const sessions: Result[] = []
  for (const result of sorted) {
    const last = sessions.at(-1)
    if (last === undefined || last.key !== result.key || result.start - last.end > GAP) sessions.push({ ...result })
    else {
      last.end = Math.max(last.end, result.end)
      last.n += result.n
      last.ids += result.ids
    }
  }
  return sessions
}

function expectedOf(name: Output, counted: readonly Event[]): string[] {
  const groups = Map.groupBy(counted, ({ group }) => group)
  return [...groups].flatMap(([group, unsorted]) =>
    windowsOf[name](unsorted.toSorted((a, b) => a.at - b.at)).map(({ start, end, inside }) =>
      line(group, start, end, inside),
    ),
  )
}

interface Window {
  start: number
  end: number
  inside: Event[]
}

const windowsOf: Record<Output, (list: Event[]) => Window[]> = {
  tumbling(list) {
    const cut = Map.groupBy(list, ({ at }) => Math.floor(at / SIZE) * SIZE)
    return [...cut].map(([start, inside]) => ({ start, end: start + SIZE, inside }))
  },
  session(list) {
    const sessions: Event[][] = []
    for (const event of list) {
      const last = sessions.at(-1)
      if (last !== undefined && event.at - last.at(-1)!.at <= GAP) last.push(event)
      else sessions.push([event])
    }
    return sessions.map(inside => ({ start: inside[0]!.at, end: inside.at(-1)!.at, inside }))
  },
  rolling(list) {
    return list.map(({ at }) => ({ start: at - SPAN, end: at, inside: within(list, at - SPAN, at) }))
  },
  sliding(list) {
    const times = new Set(list.map(({ at }) => at))
    const exits = list
      .filter(({ at }) => !times.has(at + SPAN + 1))
      .map(({ at }) => ({ start: at + 1, end: at + 1 + SPAN, inside: within(list, at + 1, at + 1 + SPAN) }))
    return [...windowsOf.rolling(list), ...exits.filter(({ inside }) => inside.length > 0)]
  },
  corrected(list) {
    const ends = [...new Set(list.map(({ at }) => (Math.floor(at / SIZE) + 1) * SIZE - 1))]
    return ends.map(end => {
      // Whole windows that end in the span.
      const first = Math.ceil((end + 1 - SPAN) / SIZE) * SIZE - SIZE
      return { start: end - SPAN, end, inside: within(list, first, end) }
    })
  },
}

function within(list: readonly Event[], low: number, high: number): Event[] {
  return list.filter(({ at }) => at >= low && at <= high)
}

function line(group: string, start: number, end: number, inside: readonly Event[]): string {
  const ids = inside.reduce((total, { id }) => total + id, 0)
  return `${group} ${start - START} ${end - START}: ${inside.length}, ${ids}`
}
