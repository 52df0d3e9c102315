/** Event time of tasks, on a log in memory with a clock that moves when told to. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { count } from '../pipeline/aggregates/numbers.ts'
import { pipeline } from '../pipeline/pipeline.ts'
import type { SourceSettings } from '../pipeline/source-time.ts'
import { topic } from '../pipeline/topic.ts'
import { tumbling } from '../pipeline/windows/window.ts'
import { avro } from '../schema/avro.ts'
import { t } from '../schema/field-types.ts'
import { json } from '../schema/json.ts'
import { text } from '../schema/primitives.ts'
import { drive } from '../testing/drive.ts'
import { application } from './application.ts'

const START = 1_700_000_000_000
const MINUTE = 60_000
const values = avro('Value', { at: t.long })
const one = topic('one', { key: text(), value: values, partitions: 1 })
const two = topic('two', { key: text(), value: values, partitions: 1 })
const told = topic('told', { key: text(), value: json<{ start: number; n: number }>(), partitions: 1 })

async function minutes(settings: SourceSettings<string, { at: number }>, topics = [one]) {
  const p = pipeline('p')
  p.from(topics, settings)
    .window('minutes', tumbling(MINUTE))
    .aggregate({ n: count() })
    .map(({ windowStart, n }) => ({ start: windowStart - START, n }))
    .to(told)
  const driver = await drive(application('a', { pipelines: [p] }), { startMs: START })
  const results = () => driver.outputs(told).map(({ key, value }) => [key, value?.start, value?.n])
  const codes = () => driver.deadLetters().map(({ code }) => code)
  return { driver, results, codes }
}
/** The first whole minute from the start on. */
const FIRST = MINUTE - (START % MINUTE)

describe('when input stops', () => {
  test('event time goes on with the wall clock, after a while', async () => {
    const { driver, results } = await minutes({ idleAfter: '10s' })
    const at = START + FIRST + 20_000
    driver.send(one, 'k', { at }, at)
    driver.advance(9_999)
    assert.deepEqual(results(), [])
    driver.advance(30_000)
    assert.deepEqual(results(), [])
    driver.advance(1)
    assert.deepEqual(results(), [['k', FIRST, 1]])
    // What comes now with the time that it is now is not late.
    driver.send(one, 'k', { at }, START + FIRST + 60_000)
    driver.advance(60_000)
    assert.deepEqual(results(), [['k', FIRST + MINUTE, 1]])
  })

  test('or does not, when it is not to', async () => {
    const { driver, results } = await minutes({ idleAfter: false })
    driver.send(one, 'k', { at: 0 }, START)
    driver.advance(86_400_000)
    assert.deepEqual(results(), [])
  })

  test('an input that is silent holds nothing back, and what it has had counts when it speaks again', async () => {
    const { driver, results } = await minutes({ idleAfter: '10s', maxAhead: false }, [one, two])
    driver.send(one, 'a', { at: 0 }, START + FIRST)
    driver.send(two, 'b', { at: 0 }, START + FIRST + 1)
    driver.send(one, 'a', { at: 0 }, START + FIRST + 2 * MINUTE)
    assert.deepEqual(results(), [])
    driver.advance(9_000)
    driver.send(one, 'a', { at: 0 }, START + FIRST + 2 * MINUTE + 1)
    assert.deepEqual(results(), [])
    driver.advance(1_000)
    assert.deepEqual(results(), [
      ['a', FIRST, 1],
      ['b', FIRST, 1],
    ])
    driver.send(two, 'b', { at: 0 }, START + FIRST + 2 * MINUTE + 2)
    driver.send(one, 'a', { at: 0 }, START + FIRST + 3 * MINUTE)
    assert.deepEqual(results(), [])
    driver.send(two, 'b', { at: 0 }, START + FIRST + 3 * MINUTE)
    assert.deepEqual(results(), [
      ['a', FIRST + 2 * MINUTE, 2],
      ['b', FIRST + 2 * MINUTE, 1],
    ])
  })

  test('an input that was idle long before the others does not hold the wall clock back', async () => {
    const { driver, results } = await minutes({ idleAfter: '10s', maxAhead: false }, [one, two])
    const hour = 60 * MINUTE
    driver.send(two, 'b', { at: 0 }, START + FIRST)
    driver.advance(9_000)
    driver.send(one, 'a', { at: 0 }, START + FIRST + hour)
    driver.advance(5_000)
    assert.deepEqual(results(), [['b', FIRST, 1]])
    driver.send(one, 'a', { at: 0 }, START + FIRST + hour + 1)
    driver.advance(MINUTE)
    assert.deepEqual(results(), [['a', FIRST + hour, 2]])
  })

  test('restarts do not keep a window open', async () => {
    const { driver, results } = await minutes({ idleAfter: '10s' })
    driver.send(one, 'k', { at: 0 }, START + FIRST)
    for (let i = 0; i < 3; i++) {
      driver.advance(25_000)
      driver.restart()
    }
    assert.deepEqual(results(), [['k', FIRST, 1]])
  })

  test('what the wall clock ended is ended after a restart', async () => {
    const { driver, results, codes } = await minutes({ idleAfter: '10s' })
    driver.send(one, 'k', { at: 0 }, START + FIRST)
    driver.advance(MINUTE)
    assert.deepEqual(results(), [['k', FIRST, 1]])
    driver.restart()
    driver.send(one, 'k', { at: 0 }, START + FIRST + 1)
    assert.deepEqual(results(), [])
    assert.deepEqual(codes(), ['LATE_RECORD'])
  })
})

describe('wrong clocks', () => {
  test('a record far ahead of the clock is a dead letter, and moves no time', async () => {
    const { driver, results, codes } = await minutes({ maxAhead: '1m', idleAfter: false })
    driver.send(one, 'k', { at: 0 }, START)
    driver.send(one, 'wrong', { at: 0 }, START + 31_536_000_000)
    driver.send(one, 'k', { at: 0 }, START + 1)
    assert.deepEqual(codes(), ['TIMESTAMP_AHEAD'])
    driver.send(one, 'k', { at: 0 }, START + MINUTE)
    assert.deepEqual(results(), [['k', FIRST - MINUTE, 2]])
  })

  test('where values are kept by time, too; and nowhere else', async () => {
    const p = pipeline('p')
    const guarded = p.from(one).keyBy('again', (_, { key }) => key, { key: text(), value: values })
    guarded.toTable('latest', { value: values })
    const q = pipeline('q')
    q.from(two)
      .map(({ at }) => ({ start: at, n: 1 }))
      .to(told)
    const driver = await drive(application('a', { pipelines: [p, q] }), { startMs: START })
    for (const topic of [one, two]) driver.send(topic, 'k', { at: 5 }, START + 31_536_000_000)
    assert.deepEqual(
      driver.deadLetters().map(({ code, topic }) => [code, topic]),
      [['TIMESTAMP_AHEAD', 'one']],
    )
    assert.equal(driver.outputs(told).length, 1)
  })

  test('of a time that the value tells, too', async () => {
    const { driver, results, codes } = await minutes({ timestamp: value => value.at, idleAfter: false })
    driver.send(one, 'k', { at: START })
    driver.send(one, 'wrong', { at: START + 31_536_000_000 })
    driver.send(one, 'k', { at: START + MINUTE })
    assert.deepEqual(codes(), ['TIMESTAMP_AHEAD'])
    assert.deepEqual(results(), [['k', FIRST - MINUTE, 1]])
  })

  test('a jump of one key is not believed; one of several keys is', async () => {
    const { driver, results, codes } = await minutes({ maxJump: '1h', idleAfter: false, maxAhead: false })
    const year = 31_536_000_000
    driver.send(one, 'k', { at: 0 }, START)
    for (let i = 0; i < 10; i++) driver.send(one, 'wrong', { at: 0 }, START + year + i)
    driver.send(one, 'k', { at: 0 }, START + MINUTE)
    assert.deepEqual(results(), [['k', FIRST - MINUTE, 1]])
    driver.send(one, 'k', { at: 0 }, START + year + 20)
    assert.deepEqual(results(), [])
    driver.send(one, 'other', { at: 0 }, START + year + 30)
    assert.deepEqual(results(), [['k', FIRST, 1]])
    assert.deepEqual(codes(), [])
  })
})

describe('behind a keyBy', () => {
  const sources = topic('sources', { key: text(), value: values, partitions: 2 })

  async function keyed() {
    const p = pipeline('p')
    p.from(sources, { idleAfter: '10s', maxAhead: false })
      .keyBy('all', () => 'all', { key: text(), value: values, partitions: 1 })
      .window('minutes', tumbling(MINUTE))
      .aggregate({ n: count() })
      .map(({ windowStart, n }) => ({ start: windowStart - START, n }))
      .to(told)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: START })
    const results = () => driver.outputs(told).map(({ value }) => [value?.start, value?.n])
    return { driver, results, codes: () => driver.deadLetters().map(({ code }) => code) }
  }
  /** Keys of either partition. */
  const [FAST, SLOW] = ['a', 'd']

  test('the slowest writer is waited for, and what it sends is not late', async () => {
    const { driver, results, codes } = await keyed()
    driver.send(sources, FAST, { at: 0 }, START + FIRST)
    driver.send(sources, SLOW, { at: 0 }, START + FIRST)
    for (let i = 1; i <= 3; i++) {
      driver.advance(200)
      driver.send(sources, FAST, { at: 0 }, START + FIRST + i * MINUTE)
    }
    driver.advance(200)
    assert.deepEqual(results(), [])
    driver.restart()
    driver.send(sources, SLOW, { at: 0 }, START + FIRST + 1)
    driver.advance(200)
    driver.send(sources, SLOW, { at: 0 }, START + FIRST + 2 * MINUTE)
    driver.advance(200)
    assert.deepEqual(results(), [
      [FIRST, 3],
      [FIRST + MINUTE, 1],
    ])
    assert.deepEqual(codes(), [])
  })

  test('a writer that has nothing to read holds nothing back', async () => {
    const { driver, results, codes } = await keyed()
    driver.send(sources, FAST, { at: 0 }, START + FIRST)
    driver.advance(1000)
    driver.send(sources, FAST, { at: 0 }, START + FIRST + MINUTE)
    driver.advance(1000)
    assert.deepEqual(results(), [])
    driver.advance(9000)
    assert.deepEqual(results(), [[FIRST, 1]])
    // All are silent: time goes on with the wall clock.
    driver.advance(30_000)
    for (let i = 0; i < 40; i++) driver.advance(1000)
    assert.deepEqual(results(), [[FIRST + MINUTE, 1]])
    assert.deepEqual(codes(), [])
  })
})

test('while a result has nowhere to go, no record opens a window that was told', async () => {
  const p = pipeline('p')
  const sums = p.table('sums', { key: text(), row: { n: t.long }, maxRows: 1 })
  p.from(one, { idleAfter: false })
    .window('minutes', tumbling(MINUTE))
    .aggregate({ n: count() })
    .into(sums, ({ windowStart, n }, row) => {
      row.n += n
      return { start: windowStart - START, n }
    })
    .to(told)
  const driver = await drive(application('a', { pipelines: [p] }), { startMs: START })
  const at = START + FIRST - MINUTE
  driver.send(one, 'a', { at: 0 }, at)
  driver.send(one, 'b', { at: 0 }, at + 1)
  driver.send(one, 'a', { at: 0 }, at + MINUTE)
  assert.equal((driver.problem as { code?: string } | null)?.code, 'TABLE_FULL')
  driver.send(one, 'a', { at: 0 }, at + 2)
  driver.advance(1000)
  const windows = driver.rows('p', 'minutes').map(({ key }) => key)
  assert.deepEqual(windows.map(key => (key as { key: string }).key).sort(), ['a', 'b'])
  assert.equal(driver.outputs(told).length, 1)
})

test('two functions for the time of one topic are refused', () => {
  const p = pipeline('p')
  p.from(one, { timestamp: value => value.at })
  assert.throws(() => p.from(one, { timestamp: value => value.at + 1 }), { code: 'PIPELINE_INVALID' })
})

test('a value whose time is none is a dead letter', async () => {
  const { driver, codes } = await minutes({ timestamp: () => Number.NaN })
  driver.send(one, 'k', { at: 0 })
  assert.deepEqual(codes(), ['VALUE_INVALID'])
})
