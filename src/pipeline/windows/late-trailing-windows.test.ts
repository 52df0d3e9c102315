import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
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
})
