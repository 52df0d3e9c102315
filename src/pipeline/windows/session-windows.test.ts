import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Event, lastOf, resultOf, run, someEvents, type Told, timed, withWatermarks } from './test/scene.ts'
import { session } from './window.ts'

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
