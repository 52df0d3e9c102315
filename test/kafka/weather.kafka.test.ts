/**
 * The weather platform on two nodes with PostgreSQL, each of them killed on the way: every window of every city is told
 * once, is one row, and is what both nodes answer.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { CityDirectory } from '../../apps/weather/cities.ts'
import type { Forecast, Reading } from '../../apps/weather/schemas.ts'
import { SeededRandom } from '../../src/testing/random.ts'
import { differencesOf } from '../postgres/differences.ts'
import { OpenTransaction } from './open-transaction.ts'
import { assertForecasts, forecastsOf } from './weather-expected.ts'
import { WeatherNodes } from './weather-nodes.ts'

const WINDOW_MS = 1000
const ROLLING_MS = 10_000
/** How far readings of a partition are behind each other, at most; half of what is waited for. */
const DISORDER_MS = 1000
const KILLS = 6
/** A reading of a quarter of the cities comes so often. */
const PACE_MS = 50
const CITIES = CityDirectory.load()
  .cities.slice(0, 60)
  .map(({ id }) => id)

let nodes: WeatherNodes
const sent: Reading[] = []

before(async () => {
  nodes = await WeatherNodes.begin({
    WEATHER_WINDOW: `${WINDOW_MS}ms`,
    WEATHER_ROLLING_FREQ: `${ROLLING_MS}ms`,
    WEATHER_OUT_OF_ORDERNESS: `${2 * DISORDER_MS}ms`,
    WEATHER_IDLE_AFTER: '3s',
  })
  await Promise.all([nodes.start('one'), nodes.start('two')])
  // The first to write makes the tables.
  await nodes.writer()
  await nodes.watchWrites()
})
after(() => nodes[Symbol.asyncDispose]())

/** Sends readings of all cities, until `work` has been done. */
async function underLoad(random: SeededRandom, work: () => Promise<void>): Promise<void> {
  let isOver = false
  const load = (async () => {
    for (let turn = 0; !isOver; turn++) {
      const readings = CITIES.filter((_, i) => (i + turn) % 4 === 0).map(city => readingOf(city, random))
      await nodes.send(readings)
      sent.push(...readings)
      await setTimeout(PACE_MS)
    }
  })()
  try {
    await work()
  } finally {
    isOver = true
    await load
  }
}

function readingOf(city: string, random: SeededRandom): Reading {
  return {
    city,
    timestamp: Date.now() - random.below(DISORDER_MS),
    temperature: random.chance(0.1) ? null : 60 + random.below(5000) / 100,
    humidity: random.chance(0.1) ? null : 20 + random.below(7500) / 100,
  }
}

/** All that was sent is told, stored and answered, and nothing else is. */
async function assertAll(): Promise<void> {
  const expected = forecastsOf(sent, WINDOW_MS, ROLLING_MS)
  await nodes.until(async () => (await nodes.rows()).length >= expected.length)
  const told = await nodes.forecasts()
  assertForecasts(told, expected)
  assert.deepEqual(differencesOf((await nodes.rows()).map(fieldsOf), told.map(fieldsOf)), [])
  await assertAnswered(told)
  assert.equal(await nodes.end(nodes.weather.late.name), 0)
  assert.equal(await nodes.end(nodes.weather.application.deadLetters.name), 0)
}

/** In one order: JSON has them as they were written. */
function fieldsOf(forecast: Forecast): [string, unknown][] {
  return Object.entries(forecast).sort(([one], [other]) => (one < other ? -1 : 1))
}

/** Both nodes answer the same, under the same ETag, and it is what was told. */
async function assertAnswered(told: readonly Forecast[]): Promise<void> {
  for (const [city, own] of Map.groupBy(told, one => one.city)) {
    const values = own.map(({ city: _, ...value }) => value)
    const newest = values.at(-1)!.windowStart
    const listed = values.slice(-10)
    for (const [path, isShown] of [
      [`cities/${city}`, body => body.latest?.windowStart === newest],
      [`cities/${city}/heat-index?from=${listed[0]!.windowStart}`, body => body.values[0]?.windowStart === newest],
    ] as const satisfies [string, (body: Shown) => boolean][]) {
      const answers = await Promise.all(
        nodes.names.map(async name => {
          let answer = await nodes.ask(name, path)
          // A node is a moment behind the log.
          await nodes.until(async () => {
            answer = await nodes.ask(name, path)
            return answer !== null && isShown(answer.body as Shown)
          })
          return answer!
        }),
      )
      assert.equal(answers.length, 2)
      assert.deepEqual(answers[0], answers[1], path)
      assert.ok(answers[0]!.etag !== null)
      const { latest, values: list } = answers[0]!.body
      if (latest !== undefined) assert.deepEqual(latest, values.at(-1))
      else assert.deepEqual(list, listed.toReversed())
    }
  }
}

interface Shown {
  latest: { windowStart: number } | null
  values: { windowStart: number }[]
}

/** Each row was written by one transaction, and none of a node came after the first of another that took over. */
async function assertWrittenOnce(): Promise<number> {
  const writes = await nodes.query<{ session: number; change: string }>(
    'SELECT session, change FROM writes ORDER BY number',
  )
  assert.deepEqual([...new Set(writes.map(({ change }) => change))], ['INSERT'])
  const rows = await nodes.rows()
  assert.equal(writes.length, rows.length)
  const sessions = writes.map(({ session }) => session)
  const turns = sessions.filter((session, i) => session !== sessions[i - 1])
  assert.equal(turns.length, new Set(turns).size, 'two sessions wrote by turns')
  return turns.length
}

test('nodes and PostgreSQL are killed: each window of each city is told once, stored once, and answered', async t => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = new SeededRandom(seed)
  const moment = () => setTimeout(random.below(1500))
  await underLoad(new SeededRandom(seed + 1), async () => {
    for (let kills = 0; kills < KILLS; kills++) {
      const node = kills % 2 === 0 ? 'one' : 'two'
      await moment()
      if (kills === 3) await nodes.database.kill()
      await nodes.kill(node)
      await moment()
      await nodes.start(node)
      if (kills === 4) await nodes.database.start()
    }
  })
  await assertAll()
  assert.ok((await assertWrittenOnce()) > 1)
})

test('one node writes to PostgreSQL, and the other goes on when it is killed', async () => {
  const writer = await nodes.writer()
  const other = nodes.names.find(name => name !== writer)!
  assert.equal((await nodes.sink(other)).status, 'standby')
  const { records } = await nodes.sink(other)
  await underLoad(new SeededRandom(1), async () => {
    await nodes.kill(writer)
    await nodes.until(async () => (await nodes.sink(other)).records > records)
    await nodes.start(writer)
    await nodes.until(async () => (await nodes.sink(writer)).status === 'standby')
  })
  await assertAll()
  assert.ok((await assertWrittenOnce()) > 1)
})

test('what a node wrote that was killed inside its transaction is neither stored nor answered', async () => {
  const { forecasts } = nodes.weather
  const before = (await nodes.rows()).length
  using open = await OpenTransaction.begin(nodes.bootstrap)
  const now = Math.floor(Date.now() / WINDOW_MS) * WINDOW_MS
  const wrong: Forecast = {
    city: '',
    windowStart: now + 3_600_000,
    windowEnd: now + 3_600_000 + WINDOW_MS,
    heatIndex: 999,
    rollingHeatIndex: 999,
    temperature: 999,
    humidity: 99,
    readings: 1,
    timing: 'onTime',
  }
  await open.write(
    forecasts,
    CITIES.map(city => [city, { ...wrong, city }]),
  )
  const written = await open.written(forecasts)
  const random = new SeededRandom(2)
  const readings = CITIES.map(city => readingOf(city, random))
  await nodes.send(readings)
  sent.push(...readings)
  // Nothing behind it is seen as long as nobody knows how it ends.
  await nodes.until(async () => (await open.written(forecasts)) >= written + CITIES.length)
  assert.equal((await nodes.rows()).length, before)
  await open.abort()
  await assertAll()
  await assertWrittenOnce()
  const [hottest] = await Promise.all(nodes.names.map(name => nodes.ask(name, 'hottest')))
  assert.ok(hottest!.body.cities.every((one: { latest: Forecast }) => one.latest.heatIndex! < 999))
})
