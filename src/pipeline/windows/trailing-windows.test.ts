import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type Event,
  input,
  resultOf,
  run,
  START,
  someEvents,
  timed,
  told,
  windowed,
  withWatermarks,
} from './test/scene.ts'
import { rolling, sliding } from './window.ts'

describe('rolling and sliding windows', () => {
  /** The events of each key that were not too late, in the order of their times. */
  function inTime(events: readonly Event[]): { sorted: Map<string, Event[]>; tooLate: Event[] } {
    const tooLate: Event[] = []
    const sorted = new Map<string, Event[]>()
    for (const { watermark, ...event } of withWatermarks(events)) {
      if (event.at < watermark) tooLate.push(event)
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
        fc.constantFrom(0, 1, 4),
        async (steps, closed, restarts) => {
          const size = 40
          const events = timed(steps)
          const { sorted, tooLate } = inTime(events)
          const found = await run(rolling(size, { closed }), {}, events, restarts)
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
        const { sorted } = inTime(events)
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

  test('by a wall clock that is set back each record counts once in each of its windows', async () => {
    const driver = await windowed(rolling(40), { clock: 'processing' })
    const send = () => driver.send(input, 'a', { n: 1 })
    send()
    driver.advance(10)
    send()
    driver.advance(1)
    driver.clock.jump(-30)
    // Both count as of the time that was.
    send()
    driver.advance(15)
    send()
    driver.advance(55)
    send()
    driver.advance(1000)
    const results = driver.outputs(told).map(({ value }) => [value!.end - START, value!.count])
    assert.deepEqual(results, [
      [0, 1],
      [10, 2],
      [10, 3],
      [10, 4],
      [51, 1],
    ])
    assert.deepEqual([driver.rows('p', 'w'), driver.rows('p', 'w-keys')], [[], []])
  })
})
