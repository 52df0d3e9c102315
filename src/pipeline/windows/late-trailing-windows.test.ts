import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { application } from '../../runtime/application.ts'
import { drive } from '../../testing/drive.ts'
import { count } from '../aggregates/numbers.ts'
import { pipeline } from '../pipeline.ts'
import {
  type Event,
  FLUSH,
  input,
  lastOf,
  resultOf,
  run,
  someEvents,
  type Told,
  timed,
  told,
  windowed,
  windowing,
  withWatermarks,
} from './test/scene.ts'
import { rolling, sliding, type TrailingWindow } from './window.ts'

/** With times that are multiples of 4, many records lie exactly at the edge of a window. */
const WINDOWS = [rolling(39), rolling(40, { closed: 'right' }), sliding(39)]

type Result = Omit<Told, 'timing'>

/** What a window that knows all records tells for those of a key; of several of one time, what the last of them tells. */
function expectedOf(window: TrailingWindow, key: string, list: readonly Event[]): Result[] {
  const { size, includesStart, tellsExits } = window
  const from = (at: number) => (includesStart ? at - size : at - size + 1)
  const times = [...new Set(list.map(({ at }) => at))]
  const within = (low: number, high: number) => list.filter(({ at }) => at >= low && at <= high)
  const entries = times.map(at => ({ key, start: at - size, end: at, ...resultOf(within(from(at), at)) }))
  if (!tellsExits) return entries
  const exits = times
    .filter(at => !times.includes(at + size + 1))
    .map(at => ({ key, start: at + 1, end: at + 1 + size, ...resultOf(within(at + 1, at + size)) }))
  return [...entries, ...exits.filter(({ count }) => count > 0)]
}

function nameOf({ key, start }: Pick<Told, 'key' | 'start'>): string {
  return `${key} ${start}`
}

describe('rolling and sliding windows that count late records', () => {
  for (const corrects of [false, true]) {
    const what = corrects ? 'with a record in the place of another of its time' : 'with all records'
    test(`have said last what they say that knew everything from the beginning, ${what}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          someEvents,
          fc.constantFrom(...WINDOWS),
          fc.constantFrom(1, 15, 60, 150),
          fc.constantFrom(0, 1, 4),
          fc.constantFrom(1, 4),
          fc.constantFrom(1, 4),
          async (steps, window, allowedLateness, restarts, grain, depth) => {
            const late = steps.map(step => ({ ...step, at: step.at * depth }))
            const events = timed(late).map(event => ({ ...event, at: event.at - (event.at % grain) }))
            const counted: Event[] = []
            const tooLate: Event[] = []
            const behind: Event[] = []
            let waited = 0
            for (const { watermark, ...event } of withWatermarks(events)) {
              const same = counted.findIndex(({ key, at }) => corrects && key === event.key && at === event.at)
              if (event.at + allowedLateness < watermark) tooLate.push(event)
              else if (same >= 0) counted[same] = event
              else counted.push(event)
              if (event.at >= watermark && same < 0) waited++
              else behind.push(event)
            }
            const found = await run(window, { allowedLateness, corrects }, events, restarts)
            assert.deepEqual(found.late, tooLate)
            const expected = [...Map.groupBy(counted, ({ key }) => key)].flatMap(([key, list]) =>
              expectedOf(window, key, list),
            )
            const byName = (a: [string, Result], b: [string, Result]) => (a[0] < b[0] ? -1 : 1)
            assert.deepEqual(
              [...lastOf(found.told)].sort(byName),
              expected.map((result): [string, Result] => [nameOf(result), result]).sort(byName),
            )
            const onTime = found.told.filter(({ timing }) => timing === 'onTime')
            if (!window.tellsExits) assert.equal(onTime.length, waited)
            // Nothing is told again that no late record has changed: it is in the window, or has just left it.
            const isChanged = ({ key, start, end }: Told) => {
              const from = window.tellsExits ? start - 1 : window.includesStart ? start : start + 1
              return behind.some(event => event.key === key && event.at >= from && event.at <= end)
            }
            assert.ok(found.told.filter(({ timing }) => timing === 'late').every(isChanged))
            assert.deepEqual(
              found.driver.rows('p', 'w-keys').map(({ key }) => key),
              ['flush'],
            )
            assert.equal(found.rows, 1)
          },
        ),
        { numRuns: 120 },
      )
    })
  }

  test('tell a late record, and those after it that have it in their window', async () => {
    const driver = await windowed(rolling(40), { allowedLateness: 100 })
    for (const at of [100, 120, 150, 200]) driver.send(input, 'a', { n: 1 }, at)
    driver.send(input, 'other', { n: 0 }, 300)
    assert.equal(driver.outputs(told).length, 4)
    driver.send(input, 'a', { n: 10 }, 175)
    driver.send(input, 'a', { n: 10 }, 170)
    assert.deepEqual(
      driver
        .outputs(told)
        .map(({ value, timestamp }) => [value!.end, value!.sum, value!.count, value!.timing, timestamp]),
      [
        [175, 11, 2, 'late', 175],
        [200, 11, 2, 'late', 200],
        [170, 11, 2, 'late', 170],
        [175, 21, 3, 'late', 175],
        [200, 21, 3, 'late', 200],
      ],
    )
    driver.send(input, 'a', { n: 0 }, FLUSH)
    driver.send(input, 'other', { n: 0 }, 2 * FLUSH)
    assert.deepEqual(driver.outputs(told).at(-1)?.value?.count, 1)
  })

  test('lateness that is allowed or taken back later leaves no rows behind, and no record out', async () => {
    for (const [first, second] of [
      [0, 100],
      [100, 0],
    ] as const) {
      const driver = await windowed(rolling(40), { allowedLateness: first })
      for (const at of [100, 120, 150]) driver.send(input, 'a', { n: 1 }, at)
      driver.send(input, 'other', { n: 0 }, 185)
      const after = await driver.upgrade(windowing(rolling(40), { allowedLateness: second }))
      after.send(input, 'a', { n: 1 }, 190)
      after.send(input, 'flush', { n: 0 }, FLUSH)
      const results = after.outputs(told).filter(({ key }) => key === 'a')
      assert.deepEqual(
        results.map(({ value }) => [value!.end, value!.count]),
        [
          [100, 1],
          [120, 2],
          [150, 2],
          [190, 2],
        ],
      )
      assert.equal(after.rows('p', 'w').length, 1)
    }
  })

  for (const corrects of [false, true]) {
    const what = corrects ? 'with a record in the place of another of its time' : 'with all records'
    test(`lateness changed from release to release loses no record and leaves no row behind, ${what}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          someEvents,
          fc.constantFrom(...WINDOWS),
          fc.array(fc.tuple(fc.nat(12), fc.constantFrom(0, 20, 400))),
          async (steps, window, changes) => {
            let driver = await windowed(window, { corrects, allowedLateness: 400 })
            const events = timed(steps.map(step => ({ ...step, at: step.at / 2 }))).filter(({ at }) => at % 1 === 0)
            let left = [...changes]
            let next = left[0]?.[0] ?? -1
            for (const { key, at, n } of events) {
              if (next-- === 0) {
                driver = await driver.upgrade(windowing(window, { corrects, allowedLateness: left[0]![1] }))
                left = left.slice(1)
                next = left[0]?.[0] ?? -1
              }
              driver.send(input, key, { n }, at)
            }
            driver.send(input, 'flush', { n: 0 }, FLUSH)
            assert.deepEqual(driver.deadLetters(), [])
            // In order of time as far as is waited for: so each is told on time, and none is late.
            const onTime = driver.outputs(told).filter(({ value }) => value!.timing === 'onTime')
            const entries = onTime.filter(({ value, key }) =>
              events.some(event => event.key === key && event.at === value!.end),
            )
            const times = new Set(events.map(({ key, at }) => `${key} ${at}`))
            assert.deepEqual(new Set(entries.map(({ key, value }) => `${key} ${value!.end}`)), times)
            if (!window.tellsExits && !corrects) assert.equal(entries.length, events.length)
            const names = onTime.map(({ key, value }) => `${key} ${value!.start}`)
            if (window.tellsExits && corrects) assert.equal(new Set(names).size, names.length)
            assert.equal(driver.rows('p', 'w').length, 1)
            assert.deepEqual(
              driver.rows('p', 'w-keys').map(({ key }) => key),
              ['flush'],
            )
          },
        ),
        { numRuns: 60 },
      )
    })
  }

  test('with values, disturb no other that sees the late record', async () => {
    const seen: number[] = []
    const p = pipeline('p')
    const values = p.from(input, { idleAfter: false, maxAhead: false })
    values
      .window('w', rolling(40), { allowedLateness: 100, value: input.value })
      .aggregate({ count: count() })
      .each(({ value, count, timing }) => {
        if (timing === 'late') seen.push(value.n, count)
      })
    values.each(({ n }) => seen.push(n))
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1000 })
    for (const [at, n] of [
      [100, 1],
      [130, 2],
      [150, 3],
      [120, 4],
    ] as const) {
      driver.send(input, 'a', { n }, at)
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 2, 2, 3, 4])
  })
})
