/** Windows through the real runtime, on a log in memory, against oracles that keep all records in lists. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { application } from '../../runtime/application.ts'
import { avro } from '../../schema/avro.ts'
import { t } from '../../schema/field-types.ts'
import { json } from '../../schema/json.ts'
import { text } from '../../schema/primitives.ts'
import { drive } from '../../testing/drive.ts'
import { count as counted, max as highest, sum as summed } from '../aggregates/numbers.ts'
import { pipeline } from '../pipeline.ts'
import { topic } from '../topic.ts'
import { hopping, rolling, session, sliding, tumbling, type Window } from './window.ts'
import type { WindowSettings } from './window-node.ts'
import type { Timing } from './window-operator.ts'

interface Event {
  key: string
  at: number
  n: number
}

interface Told {
  key: string
  start: number
  end: number
  timing: Timing
  count: number
  sum: number
  max: number | null
}

const values = avro('Value', { n: t.int })
const input = topic('input', { key: text(), value: values, partitions: 1 })
const told = topic('told', { key: text(), value: json<Omit<Told, 'key'>>(), partitions: 1 })
const late = topic('late', { key: text(), value: values, partitions: 1 })

const DISORDER = 30
const START = 1_000_000
const FLUSH = 10_000_000

async function windowed(window: Window, settings: WindowSettings<{ n: number }>) {
  const p = pipeline('p')
  const windows = p
    .from(input, { outOfOrderness: DISORDER, idleAfter: false, maxAhead: false })
    .window('w', window, settings)
  windows.late.to(late)
  windows
    .aggregate({ count: counted(), sum: summed(one => one.n), max: highest(one => one.n) })
    .map(({ windowStart: start, windowEnd: end, timing, count, sum, max }) => ({ start, end, timing, count, sum, max }))
    .to(told)
  return await drive(application('a', { pipelines: [p] }), { startMs: START })
}

/** Sends the events one by one, with a restart from the log before some, and then one that is far behind all windows. */
async function run(
  window: Window,
  settings: WindowSettings<{ n: number }>,
  events: readonly Event[],
  restarts: number,
) {
  const driver = await windowed(window, settings)
  for (const [i, { key, at, n }] of events.entries()) {
    if (restarts > 0 && i % restarts === restarts - 1) driver.restart()
    driver.send(input, key, { n }, at)
  }
  driver.send(input, 'flush', { n: 0 }, FLUSH)
  assert.deepEqual(driver.deadLetters(), [])
  const results = driver.outputs(told).map(({ key, value }): Told => ({ key: key!, ...value! }))
  return {
    told: results.filter(({ key }) => key !== 'flush'),
    late: driver.outputs(late).map(({ key, value, timestamp }): Event => ({ key: key!, at: timestamp, n: value!.n })),
    rows: driver.rows('p', 'w').length,
  }
}

const someEvents = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'bb', 'a\u0000'),
    at: fc.integer({ min: 0, max: 60 }),
    step: fc.integer({ min: 0, max: 25 }),
    n: fc.integer({ min: -5, max: 5 }),
  }),
  { maxLength: 60, size: 'max' },
)

/** Times go on, with disorder of up to twice of what is waited for. */
function timed(events: { key: string; at: number; step: number; n: number }[]): Event[] {
  let now = START + 100
  return events.map(({ key, at, step, n }) => {
    now += step
    return { key, at: now - at, n }
  })
}

/** Each event with the watermark that it met. */
function* withWatermarks(events: readonly Event[]): Generator<Event & { watermark: number }> {
  let watermark = Number.NEGATIVE_INFINITY
  for (const event of events) {
    yield { ...event, watermark }
    watermark = Math.max(watermark, event.at - DISORDER)
  }
}

function resultOf(events: readonly Event[]): Pick<Told, 'count' | 'sum' | 'max'> {
  const ns = events.map(({ n }) => n)
  return { count: ns.length, sum: ns.reduce((a, b) => a + b, 0), max: ns.length === 0 ? null : Math.max(...ns) }
}

/** What each window said last. */
function lastOf(results: readonly Told[]): Map<string, Omit<Told, 'timing'>> {
  return new Map(results.map(({ timing: _, ...result }) => [`${result.key} ${result.start}`, result]))
}

describe('tumbling and hopping windows', () => {
  test('hold what came in time, are told once on time, and again for what came late', async () => {
    await fc.assert(
      fc.asyncProperty(
        someEvents,
        fc.constantFrom([20, 20, 0], [20, 20, 7], [50, 10, 0], [25, 10, 3]),
        fc.constantFrom(0, 25),
        fc.constantFrom(0, 1, 7),
        async (steps, [size, every, offset], allowedLateness, restarts) => {
          const events = timed(steps)
          const windows = new Map<string, Event[]>()
          const tooLate: Event[] = []
          for (const { watermark, ...event } of withWatermarks(events)) {
            let counts = 0
            const first = Math.floor((event.at - size! - offset!) / every!) * every! + offset! + every!
            for (let start = first; start <= event.at; start += every!) {
              if (start + size! + allowedLateness <= watermark) continue
              counts++
              const name = `${event.key} ${start}`
              windows.set(name, [...(windows.get(name) ?? []), event])
            }
            if (counts === 0) tooLate.push(event)
          }
          const found = await run(hopping(size!, every!, { offset: offset! }), { allowedLateness }, events, restarts)
          const expected = new Map(
            [...windows].map(([name, inside]) => {
              const start = Number(name.split(' ')[1])
              return [name, { key: inside[0]!.key, start, end: start + size!, ...resultOf(inside) }]
            }),
          )
          assert.deepEqual(new Map([...lastOf(found.told)].sort()), new Map([...expected].sort()))
          assert.deepEqual(found.late, tooLate)
          const onTime = found.told
            .filter(({ timing }) => timing === 'onTime')
            .map(({ key, start }) => `${key} ${start}`)
          assert.equal(new Set(onTime).size, onTime.length)
          if (allowedLateness === 0) assert.equal(found.told.length, onTime.length)
          assert.ok(found.rows <= Math.ceil(size! / every!), `${found.rows} rows are left`)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('tell early results by the wall clock, once for what is new', async () => {
    const driver = await windowed(tumbling('1m'), { early: '5s' })
    const timings = () => driver.outputs(told).map(({ value }) => [value?.timing, value?.sum])
    driver.send(input, 'a', { n: 1 }, 1_200_000)
    driver.advance(4999)
    assert.deepEqual(timings(), [])
    driver.send(input, 'a', { n: 2 }, 1_200_001)
    driver.advance(1)
    assert.deepEqual(timings(), [['early', 3]])
    driver.advance(60_000)
    assert.deepEqual(timings(), [])
    driver.send(input, 'a', { n: 4 }, 1_200_002)
    driver.send(input, 'b', { n: 0 }, 1_260_030)
    assert.deepEqual(timings(), [['onTime', 7]])
    driver.advance(5000)
    assert.deepEqual(timings(), [['early', 0]])
  })

  test('of the wall clock end by it, and nothing is late', async () => {
    const driver = await windowed(tumbling('1m'), { clock: 'processing' })
    driver.send(input, 'a', { n: 1 }, 5)
    driver.send(input, 'a', { n: 2 }, 9_000_000)
    driver.advance(60_000)
    const [window] = driver.outputs(told)
    assert.deepEqual([window?.value?.sum, window?.value?.start, window?.value?.end], [3, 960_000, 1_020_000])
    assert.deepEqual(driver.outputs(late), [])
  })
})

describe('what follows throws', () => {
  for (const [name, window, records] of [
    ['tumbling', tumbling(20), 2],
    ['session', session(5), 2],
    ['rolling', rolling(20), 2],
  ] as const) {
    test(`a result of ${name} windows becomes a dead letter, and nothing of it stays`, async () => {
      const p = pipeline('p')
      p.from(input, { idleAfter: false, maxAhead: false })
        .window('w', window)
        .aggregate({ sum: summed(one => one.n) })
        .each(({ sum }) => {
          if (sum === 13) throw new Error('bad luck')
        })
      const driver = await drive(application('a', { pipelines: [p] }), { startMs: START })
      driver.send(input, 'bad', { n: 13 }, START)
      driver.send(input, 'good', { n: 1 }, START)
      driver.send(input, 'flush', { n: 0 }, FLUSH)
      assert.deepEqual(
        driver.deadLetters().map(({ code, timer }) => [code, timer?.split('/')[0]]),
        [['HANDLER_THREW', 'w']],
      )
      driver.send(input, 'flush', { n: 0 }, FLUSH + 10_000)
      const keys = driver.rows('p', 'w').map(({ key }) => (key as { key: string }).key)
      assert.ok(keys.length <= records && keys.every(key => key === 'flush'), String(keys))
      const heads = name === 'tumbling' ? [] : driver.rows('p', 'w-keys')
      assert.ok(heads.every(({ key }) => key === 'flush'))
    })
  }
})

describe('session windows', () => {
  test('are what lies within the gap, whatever the order', async () => {
    await fc.assert(
      fc.asyncProperty(
        someEvents,
        fc.constantFrom(0, 20),
        fc.constantFrom(0, 1, 5),
        async (steps, lateness, restarts) => {
          const gap = 12
          const events = timed(steps)
          const tooLate: Event[] = []
          let sessions: Event[][] = []
          const all = new Map<string, Omit<Told, 'timing'>>()
          const close = (watermark: number): void => {
            const isOver = (one: readonly Event[]) => Math.max(...one.map(({ at }) => at)) + gap + lateness < watermark
            for (const one of sessions.filter(isOver)) all.set(nameOf(one), toldOf(one))
            sessions = sessions.filter(one => !isOver(one))
          }
          for (const { watermark, ...event } of withWatermarks(events)) {
            close(watermark)
            const near = sessions.filter(
              one => one[0]!.key === event.key && one.some(({ at }) => Math.abs(at - event.at) <= gap),
            )
            const merged = [...near.flat(), event]
            if (Math.max(...merged.map(({ at }) => at)) + gap + lateness < watermark) tooLate.push(event)
            else sessions = [...sessions.filter(one => !near.includes(one)), merged]
          }
          close(Number.POSITIVE_INFINITY)
          const found = await run(session(gap), { allowedLateness: lateness }, events, restarts)
          assert.deepEqual(found.late, tooLate)
          const ended = lastOf(found.told)
          for (const [name, expected] of all) assert.deepEqual(ended.get(name), expected)
          if (lateness === 0) assert.deepEqual([...ended.keys()].sort(), [...all.keys()].sort())
          assert.ok(found.rows <= 1)
        },
      ),
      { numRuns: 60 },
    )

    function nameOf(one: readonly Event[]): string {
      return `${one[0]!.key} ${Math.min(...one.map(({ at }) => at))}`
    }
    function toldOf(one: readonly Event[]): Omit<Told, 'timing'> {
      const times = one.map(({ at }) => at)
      return { key: one[0]!.key, start: Math.min(...times), end: Math.max(...times), ...resultOf(one) }
    }
  })
})

describe('rolling and sliding windows', () => {
  /** The events of each key that were not too late, in the order of their times. */
  function inTime(events: readonly Event[], lateness: number): { sorted: Map<string, Event[]>; tooLate: Event[] } {
    const tooLate: Event[] = []
    const sorted = new Map<string, Event[]>()
    for (const { watermark, ...event } of withWatermarks(events)) {
      if (event.at + lateness < watermark) tooLate.push(event)
      else sorted.set(event.key, [...(sorted.get(event.key) ?? []), event])
    }
    for (const list of sorted.values()) list.sort((a, b) => a.at - b.at)
    return { sorted, tooLate }
  }

  test('rolling ones tell each record, in the order of time, with what lies before it', async () => {
    await fc.assert(
      fc.asyncProperty(
        someEvents,
        fc.constantFrom('both' as const, 'right' as const),
        fc.constantFrom(0, 15),
        fc.constantFrom(0, 1, 4),
        async (steps, closed, lateness, restarts) => {
          const size = 40
          const events = timed(steps)
          const { sorted, tooLate } = inTime(events, lateness)
          const found = await run(rolling(size, { closed }), { allowedLateness: lateness }, events, restarts)
          assert.deepEqual(found.late, tooLate)
          for (const key of ['a', 'bb', 'a\u0000']) {
            const list = sorted.get(key) ?? []
            const expected = list.map(({ at }, i) => {
              const from = closed === 'both' ? at - size : at - size + 1
              const inside = list.slice(0, i + 1).filter(one => one.at >= from)
              return { key, start: at - size, end: at, timing: 'onTime', ...resultOf(inside) }
            })
            assert.deepEqual(
              found.told.filter(one => one.key === key),
              expected,
            )
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  test('sliding ones tell when a record comes in and when one leaves others behind', async () => {
    await fc.assert(
      fc.asyncProperty(someEvents, fc.constantFrom(0, 3), async (steps, restarts) => {
        const size = 40
        const events = timed(steps)
        const { sorted } = inTime(events, 0)
        const found = await run(sliding(size), {}, events, restarts)
        for (const [key, list] of sorted) {
          const entries = list.map(({ at }, i) => {
            const inside = list.slice(0, i + 1).filter(one => one.at >= at - size)
            return { key, start: at - size, end: at, timing: 'onTime', ...resultOf(inside) }
          })
          const times = [...new Set(list.map(({ at }) => at))]
          const exits = times
            .filter(at => !times.includes(at + size + 1))
            .map(at => ({ at, inside: list.filter(one => one.at > at && one.at <= at + size) }))
            .filter(({ inside }) => inside.length > 0)
            .map(({ at, inside }) => ({
              key,
              start: at + 1,
              end: at + 1 + size,
              timing: 'onTime',
              ...resultOf(inside),
            }))
          assert.deepEqual(
            found.told.filter(one => one.key === key),
            [...entries, ...exits].sort((a, b) => a.end - b.end),
          )
        }
      }),
      { numRuns: 60 },
    )
  })

  test('a record that comes in order changes the row of no other', async () => {
    const driver = await windowed(rolling(1000), {})
    for (const [n, at] of [10, 20, 30, 50, 40].entries()) driver.send(input, 'a', { n }, at)
    driver.send(input, 'other', { n: 0 }, 100)
    const next = driver
      .rows('p', 'w')
      .filter(({ fields }) => (fields.time as number) < 100)
      .sort((a, b) => (a.fields.time as number) - (b.fields.time as number))
      .map(({ fields }) => [fields.time, fields.next])
    assert.deepEqual(next, [
      [10, 0],
      [20, 0],
      [30, 5],
      [40, 4],
      [50, 0],
    ])
    driver.send(input, 'a', { n: 5 }, 110)
    driver.send(input, 'other', { n: 0 }, 200)
    assert.deepEqual(
      driver
        .outputs(told)
        .filter(({ key }) => key === 'a')
        .map(({ value }) => [value!.end, value!.count, value!.sum]),
      [
        [10, 1, 0],
        [20, 2, 1],
        [30, 3, 3],
        [40, 4, 7],
        [50, 5, 10],
        [110, 6, 15],
      ],
    )
  })

  test('a record whose own result cannot be told makes a dead letter, and counts for those behind it', async () => {
    const p = pipeline('p')
    p.from(input, { outOfOrderness: DISORDER, idleAfter: false, maxAhead: false })
      .window('w', rolling(25))
      .aggregate({ count: counted(), sum: summed(one => one.n), max: highest(one => one.n) })
      .map(({ windowStart: start, windowEnd: end, timing, count, sum, max }) => {
        if (sum === 101) throw new Error('bad luck')
        return { start, end, timing, count, sum, max }
      })
      .to(told)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: START })
    for (const [n, at] of [
      [1, 10],
      [100, 20],
      [2, 30],
      [3, 40],
      [0, 200],
      [0, 300],
    ] as const) {
      driver.send(input, 'a', { n }, at)
    }
    assert.deepEqual(
      driver.deadLetters().map(({ code, timer }) => [code, timer]),
      [['HANDLER_THREW', 'w/due']],
    )
    assert.deepEqual(
      driver.outputs(told).map(({ value }) => [value!.end, value!.count, value!.sum]),
      [
        [10, 1, 1],
        [30, 3, 103],
        [40, 3, 105],
        [200, 1, 0],
      ],
    )
  })
})
