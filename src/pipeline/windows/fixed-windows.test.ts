import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type Event,
  input,
  lastOf,
  late,
  resultOf,
  run,
  someEvents,
  timed,
  told,
  windowed,
  withWatermarks,
} from './test/scene.ts'
import { hopping, tumbling } from './window.ts'

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

  test('one that ends with 1969 ends, too', async () => {
    const driver = await windowed(tumbling(10), {})
    driver.send(input, 'a', { n: 1 }, -5)
    driver.send(input, 'a', { n: 1 }, 1000)
    assert.deepEqual(
      driver.outputs(told).map(({ value }) => [value!.start, value!.end, value!.count]),
      [[-10, 0, 1]],
    )
    assert.equal(driver.rows('p', 'w').length, 1)
  })
})
