/** Joins of two streams against nested loops over all records, through the runtime on a log in memory. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { application } from '../../runtime/application.ts'
import { avro } from '../../schema/avro.ts'
import { t } from '../../schema/field-types.ts'
import { json } from '../../schema/json.ts'
import { text } from '../../schema/primitives.ts'
import { type Driver, drive } from '../../testing/drive.ts'
import { encodeRecord } from '../../testing/encode-record.ts'
import { SeededRandom } from '../../testing/random.ts'
import { simulate } from '../../testing/simulate.ts'
import { pipeline } from '../pipeline.ts'
import type { SourceSettings } from '../source-time.ts'
import { topic } from '../topic.ts'
import type { JoinKind } from './table-joins.ts'

const event = avro('Event', { id: t.string, at: t.long })
type Pair = [left: string | null, right: string | null]
const joined = json<Pair>()
const late = json<{ side: 'left' | 'right'; id: string }>()

interface Window {
  before: number
  after: number
  grace: number
  store?: 'memory' | 'disk'
}

function joining(
  kind: JoinKind,
  { before, after, grace, store = 'memory' }: Window,
  settings: SourceSettings,
  partitions = 1,
) {
  const lefts = topic('lefts', { key: text(), value: event, partitions })
  const rights = topic('rights', { key: text(), value: event, partitions })
  const results = topic('results', { key: text(), value: joined, partitions })
  const tooLate = topic('too-late', { key: text(), value: late, partitions })
  const p = pipeline('p')
  const timed = { ...settings, maxAhead: false as const, timestamp: ({ at }: { at: number }) => at }
  const left = p.from(lefts, timed)
  const right = p.from(rights, timed)
  const both = { before, after, grace, store, left: event, right: event }
  type Side = { id: string } | null
  const pair = (l: Side, r: Side): Pair => [l?.id ?? null, r?.id ?? null]
  const stream =
    kind === 'inner'
      ? left.join(right, 'pairs', both, pair)
      : kind === 'left'
        ? left.leftJoin(right, 'pairs', both, pair)
        : left.outerJoin(right, 'pairs', both, pair)
  stream.to(results)
  return { p, application: () => application('a', { pipelines: [p] }), stream, lefts, rights, results, tooLate }
}

interface Sent {
  side: 0 | 1
  key: string
  id: string
  at: number
}

function randomRecords(random: SeededRandom, count: number, disorder: number, keys: number): Sent[] {
  let now = 1_000
  return Array.from({ length: count }, (_, i) => {
    now += random.below(4)
    const side = random.below(2) as 0 | 1
    return {
      side,
      key: `k${random.below(keys)}`,
      id: `${'LR'[side]}${i}`,
      at: Math.max(0, now - random.below(disorder + 1)),
    }
  })
}

/** All that is told, by the rules alone: every record is looked at for each. */
class Oracle {
  readonly #records: (Sent & { met: boolean; closed: boolean })[] = []
  readonly #newest = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  readonly #kind: JoinKind
  readonly #window: Window
  readonly #outOfOrderness: number
  #watermark = Number.NEGATIVE_INFINITY

  constructor(kind: JoinKind, window: Window, outOfOrderness: number) {
    this.#kind = kind
    this.#window = window
    this.#outOfOrderness = outOfOrderness
  }

  #closesAt({ side, at }: Sent): number {
    const { before, after, grace } = this.#window
    return at + (side === 0 ? after : before) + grace
  }

  read(record: Sent): { pairs: unknown[]; alone: unknown[]; late: boolean } {
    const { before, after } = this.#window
    const late = this.#closesAt(record) < this.#watermark
    const pairs: unknown[] = []
    if (!late) {
      const own = { ...record, met: false, closed: false }
      const others = this.#records
        .filter(other => !other.closed && other.key === record.key && other.side !== record.side)
        .filter(other => {
          const [l, r] = record.side === 0 ? [record.at, other.at] : [other.at, record.at]
          return l - before <= r && r <= l + after
        })
        .sort((a, b) => a.at - b.at)
      for (const other of others) {
        own.met = true
        other.met = true
        const ids = record.side === 0 ? [record.id, other.id] : [other.id, record.id]
        pairs.push([record.key, ids, Math.max(record.at, other.at)])
      }
      this.#records.push(own)
    }
    this.#newest[record.side] = Math.max(this.#newest[record.side]!, record.at)
    this.#watermark = Math.max(this.#watermark, Math.min(...this.#newest) - this.#outOfOrderness)
    const closing = this.#records
      .filter(one => !one.closed && this.#closesAt(one) < this.#watermark)
      .sort((a, b) => this.#closesAt(a) - this.#closesAt(b))
    const alone: unknown[] = []
    for (const one of closing) {
      one.closed = true
      if (one.met || this.#kind === 'inner' || (this.#kind === 'left' && one.side === 1)) continue
      alone.push([one.key, one.side === 0 ? [one.id, null] : [null, one.id], one.at])
    }
    return { pairs, alone, late }
  }

  get waiting(): number {
    return this.#records.filter(one => !one.closed).length
  }
}

function told(driver: Driver, results: ReturnType<typeof joining>['results']): unknown[] {
  return driver.outputs(results).map(({ key, value, timestamp }) => [key, value, timestamp])
}

const inOrder = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

describe('a join of two streams', () => {
  for (const kind of ['inner', 'left', 'outer'] as const) {
    test(`${kind}: tells what nested loops over all records tell, record by record, over restarts`, async () => {
      let alone = 0
      let pairs = 0
      let lates = 0
      for (let seed = 1; seed <= 25; seed++) {
        const random = new SeededRandom(seed)
        const window = {
          before: random.below(20),
          after: random.below(20),
          grace: random.below(3) * 8,
          store: random.pick(['memory', 'disk'] as const),
        }
        const outOfOrderness = random.below(10)
        const { lefts, rights, results, tooLate, stream, application } = joining(kind, window, {
          outOfOrderness,
          idleAfter: false,
        })
        stream.late.map(({ side, value }) => ({ side, id: value.id })).to(tooLate)
        const driver = await drive(application(), { startMs: 1_000_000 })
        const oracle = new Oracle(kind, window, outOfOrderness)
        for (const record of randomRecords(random, 120, 60, 1 + random.below(3))) {
          const { key, id, at, side } = record
          if (random.chance(0.05)) driver.restart()
          driver.send(side === 0 ? lefts : rights, key, { id, at })
          const expected = oracle.read(record)
          const all = told(driver, results)
          assert.deepEqual(all.slice(0, expected.pairs.length), expected.pairs, `seed ${seed}, pairs of ${id}`)
          const rest = all.slice(expected.pairs.length)
          assert.deepEqual(rest.sort(inOrder), expected.alone.sort(inOrder), `seed ${seed}, alone after ${id}`)
          const refused = driver.outputs(tooLate).map(({ value }) => value?.id)
          assert.deepEqual(refused, expected.late ? [id] : [], `seed ${seed}`)
          alone += expected.alone.length
          pairs += expected.pairs.length
          if (expected.late) lates++
        }
        assert.equal(driver.rows('p', 'pairs').length, oracle.waiting, `seed ${seed}: rows`)
        assert.deepEqual(driver.deadLetters(), [])
        await driver.close()
      }
      assert.ok(pairs > 1000, `only ${pairs} pairs`)
      assert.ok(lates > 50, `only ${lates} late`)
      assert.ok(kind === 'inner' ? alone === 0 : alone > 100, `${alone} alone`)
    })
  }

  test('a side alone is told in order of time, under its own timestamp', async () => {
    const { lefts, rights, results, application } = joining('left', { before: 5, after: 5, grace: 0 }, {})
    const driver = await drive(application(), { startMs: 1_000_000 })
    const times = [130, 110, 150, 120, 140]
    driver.sendAll(
      lefts,
      times.map(at => [`k${at % 4}`, { id: `L${at}`, at }]),
    )
    driver.send(rights, 'k', { id: 'R', at: 145 })
    assert.deepEqual(
      driver.outputs(results).map(({ value, timestamp }) => [value?.[0], timestamp]),
      [
        ['L110', 110],
        ['L120', 120],
        ['L130', 130],
      ],
    )
  })

  test('late records that nobody reads become dead letters', async () => {
    const { lefts, rights, application } = joining('inner', { before: 1, after: 1, grace: 0 }, {})
    const driver = await drive(application(), { startMs: 1_000_000 })
    driver.send(lefts, 'k', { id: 'L', at: 100 })
    driver.send(rights, 'k', { id: 'R', at: 100 })
    driver.send(lefts, 'k', { id: 'late', at: 98 })
    driver.send(lefts, 'k', { id: 'in time', at: 99 })
    assert.deepEqual(
      driver.deadLetters().map(({ code, topic, offset }) => [code, topic, offset]),
      [['LATE_RECORD', 'lefts', 1]],
    )
  })

  test('a stream meets itself: each record itself once, and each other in both orders', async () => {
    const events = topic('events', { key: text(), value: event, partitions: 1 })
    const results = topic('results', { key: text(), value: joined, partitions: 1 })
    const p = pipeline('p')
    const stream = p.from(events, { timestamp: ({ at }) => at })
    stream.join(stream, 'pairs', { within: 10, left: event, right: event }, (l, r): Pair => [l.id, r.id]).to(results)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1_000_000 })
    for (const at of [1, 5, 30]) driver.send(events, 'k', { id: `${at}`, at })
    assert.deepEqual(
      driver
        .outputs(results)
        .map(({ value }) => value?.join())
        .sort(),
      ['1,1', '1,5', '30,30', '5,1', '5,5'],
    )
  })

  test('a joiner that throws makes a dead letter, and its record is met by nobody and holds nothing up', async () => {
    const { lefts, rights, results } = joining('left', { before: 5, after: 5, grace: 0 }, {})
    const p = pipeline('p')
    const timed = { timestamp: ({ at }: { at: number }) => at }
    p.from(lefts, timed)
      .leftJoin(p.from(rights, timed), 'pairs', { within: 5, left: event, right: event }, (l, r): Pair => {
        if (l.id === 'bad' && r === null) throw new Error('bad luck')
        return [l.id, r?.id ?? null]
      })
      .to(results)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1_000_000 })
    const waiting = () => driver.rows('p', 'pairs').map(({ fields }) => fields.time)
    driver.send(lefts, 'k', { id: 'bad', at: 100 })
    driver.send(rights, 'other', { id: 'R', at: 107 })
    driver.send(lefts, 'k', { id: 'good', at: 107 })
    assert.deepEqual(
      driver.deadLetters().map(({ code, timer }) => [code, timer]),
      [['HANDLER_THREW', 'pairs/close']],
    )
    // It is still there, and closed; this one is late, and open.
    driver.send(rights, 'k', { id: 'late', at: 104 })
    assert.deepEqual(waiting().sort(), [100, 104, 107, 107])
    for (const [topic, id] of [
      [lefts, 'L'],
      [rights, 'R2'],
    ] as const) {
      driver.send(topic, 'other', { id, at: 200 })
    }
    assert.deepEqual(
      driver.outputs(results).map(({ value }) => value),
      [
        ['good', 'late'],
        ['L', 'R2'],
      ],
    )
    // What failed went with the one behind it.
    assert.deepEqual(waiting(), [200, 200])
    assert.deepEqual(driver.deadLetters(), [])
  })

  test('whatever crashes, each pair comes once, and each record without one once alone', async () => {
    let crashes = 0
    for (let seed = 1; seed <= 20; seed++) {
      const window = { before: 30, after: 15, grace: 5 }
      const { lefts, rights, results, application } = joining(
        'outer',
        window,
        { outOfOrderness: 40, idleAfter: '1h' },
        2,
      )
      const spec = {
        application: application(),
        scenario: (random: SeededRandom) => {
          const sent = randomRecords(random, 150, 40, 4)
          return {
            records: sent.map(({ side, key, id, at }) => encodeRecord(side === 0 ? lefts : rights, key, { id, at })),
            settleMs: 4 * 3_600_000,
            check: (end: { records(of: typeof results): { value: unknown }[] }) => {
              const got = end.records(results).map(({ value }) => JSON.stringify(value))
              const want = nestedLoops(sent, window)
              const missing = want.filter(one => !got.includes(one))
              const extra = got.filter((one, i) => !want.includes(one) || got.indexOf(one) !== i)
              return missing.length + extra.length === 0 ? [] : [`missing ${missing}, too many ${extra}`]
            },
          }
        },
      }
      const result = await simulate(spec as Parameters<typeof simulate>[0], { seed })
      assert.deepEqual(result.violations, [], `seed ${seed}`)
      crashes += result.crashes
    }
    assert.ok(crashes > 15, `only ${crashes} crashes`)
  })
})

function nestedLoops(sent: readonly Sent[], { before, after }: Window): string[] {
  const met = new Set<string>()
  const want: string[] = []
  for (const l of sent) {
    for (const r of sent) {
      if (l.side !== 0 || r.side !== 1 || l.key !== r.key || r.at < l.at - before || r.at > l.at + after) continue
      met.add(l.id).add(r.id)
      want.push(JSON.stringify([l.id, r.id]))
    }
  }
  for (const { id, side } of sent) if (!met.has(id)) want.push(JSON.stringify(side === 0 ? [id, null] : [null, id]))
  return want
}
