/** Windows through the real runtime, on a log in memory; what the oracles share, which keep all records in lists. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { application } from '../../../runtime/application.ts'
import { avro } from '../../../schema/avro.ts'
import { t } from '../../../schema/field-types.ts'
import { json } from '../../../schema/json.ts'
import { text } from '../../../schema/primitives.ts'
import { drive } from '../../../testing/drive.ts'
import { count as counted, max as highest, sum as summed } from '../../aggregates/numbers.ts'
import { pipeline } from '../../pipeline.ts'
import { topic } from '../../topic.ts'
import type { Window } from '../window.ts'
import type { WindowSettings } from '../window-node.ts'
import type { Timing } from '../window-operator.ts'

export interface Event {
  key: string
  at: number
  n: number
}

export interface Told {
  key: string
  start: number
  end: number
  timing: Timing
  count: number
  sum: number
  max: number | null
}

const values = avro('Value', { n: t.int })
export const input = topic('input', { key: text(), value: values, partitions: 1 })
export const told = topic('told', { key: text(), value: json<Omit<Told, 'key'>>(), partitions: 1 })
export const late = topic('late', { key: text(), value: values, partitions: 1 })

/** How far behind the newest record others may be, and are waited for; ms, like all times here. */
export const DISORDER = 30
export const START = 1_000_000
/** Behind the end of every window. */
export const FLUSH = 10_000_000

export async function windowed(window: Window, settings: WindowSettings<{ n: number }>) {
  return await drive(windowing(window, settings), { startMs: START })
}

export function windowing(window: Window, settings: WindowSettings<{ n: number }>) {
  const p = pipeline('p')
  const windows = p
    .from(input, { outOfOrderness: DISORDER, idleAfter: false, maxAhead: false })
    .window('w', window, settings)
  windows.late.to(late)
  windows
    .aggregate({ count: counted(), sum: summed(one => one.n), max: highest(one => one.n) })
    .map(({ windowStart: start, windowEnd: end, timing, count, sum, max }) => ({ start, end, timing, count, sum, max }))
    .to(told)
  return application('a', { pipelines: [p] })
}

/** Sends the events one by one, with a restart from the log before some, and then one that is far behind all windows. */
export async function run(
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
    driver,
  }
}

export const someEvents = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'bb', 'a\u0000'),
    at: fc.integer({ min: 0, max: 60 }),
    step: fc.integer({ min: 0, max: 25 }),
    n: fc.integer({ min: -5, max: 5 }),
  }),
  { maxLength: 60, size: 'max' },
)

/** Times go on, with disorder of up to twice of what is waited for. */
export function timed(events: { key: string; at: number; step: number; n: number }[]): Event[] {
  let now = START + 100
  return events.map(({ key, at, step, n }) => {
    now += step
    return { key, at: now - at, n }
  })
}

/** Each event with the watermark that it met. */
export function* withWatermarks(events: readonly Event[]): Generator<Event & { watermark: number }> {
  let watermark = Number.NEGATIVE_INFINITY
  for (const event of events) {
    yield { ...event, watermark }
    watermark = Math.max(watermark, event.at - DISORDER)
  }
}

export function resultOf(events: readonly Event[]): Pick<Told, 'count' | 'sum' | 'max'> {
  const ns = events.map(({ n }) => n)
  return { count: ns.length, sum: ns.reduce((a, b) => a + b, 0), max: ns.length === 0 ? null : Math.max(...ns) }
}

/** What each window said last. */
export function lastOf(results: readonly Told[]): Map<string, Omit<Told, 'timing'>> {
  return new Map(results.map(({ timing: _, ...result }) => [`${result.key} ${result.start}`, result]))
}
