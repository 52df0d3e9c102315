import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { application } from '../../runtime/application.ts'
import { drive } from '../../testing/drive.ts'
import { count } from '../aggregates/numbers.ts'
import { pipeline } from '../pipeline.ts'
import { type Event, input, lastOf, resultOf, run, someEvents, type Told, timed, withWatermarks } from './test/scene.ts'
import { session, sliding, tumbling } from './window.ts'

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

  test('tell that an early result of what is another session now counts no more', async () => {
    const results: unknown[] = []
    const p = pipeline('p')
    p.from(input, { idleAfter: false, maxAhead: false })
      .window('w', session(40), { early: 10 })
      .aggregate({ count: count() })
      .each(({ windowStart, count, timing, replaces }) => {
        results.push([windowStart, count, timing, replaces])
      })
    const driver = await drive(application('a', { pipelines: [p] }))
    driver.send(input, 'a', { n: 1 }, 100)
    driver.advance(10)
    driver.send(input, 'a', { n: 1 }, 90)
    driver.advance(10)
    driver.send(input, 'a', { n: 1 }, 900)
    assert.deepEqual(results, [
      [100, 1, 'early', []],
      [90, 2, 'early', [100]],
      [90, 2, 'onTime', []],
    ])
  })
})

for (const window of [session(40), sliding(40)]) {
  test(`results of ${window.kind} windows are late for no window behind, however time goes on`, async () => {
    const p = pipeline('p')
    let told = 0
    let counted = 0
    p.from(input, { idleAfter: false, maxAhead: false })
      .window('w', window)
      .aggregate({ count: count() })
      .map(result => {
        told++
        return result
      })
      .window('behind', tumbling(1))
      .aggregate({ count: count() })
      .each(({ count }) => {
        counted += count
      })
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1000 })
    for (const at of [100, 110]) driver.send(input, 'a', { n: 1 }, at)
    for (let at = 111; at < 200; at++) driver.send(input, 'b', { n: 1 }, at)
    driver.send(input, 'c', { n: 1 }, 1000)
    driver.send(input, 'c', { n: 1 }, 2000)
    driver.send(input, 'c', { n: 1 }, 3000)
    assert.deepEqual(driver.deadLetters(), [])
    assert.ok(told > 2)
    assert.equal(counted, told)
  })
}
