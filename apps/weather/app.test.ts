/** The streaming job, on a log in memory: against the row-by-row computation on real weather, and what it does with bad readings. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Driver, drive } from 'aldebaran/testing'
import { buildWeather, type WeatherSettings } from './app.ts'
import { rollingHeatIndexes } from './batch/index.ts'
import { RecordedWeather } from './recorded-weather.ts'
import type { Forecast, Reading } from './schemas.ts'

const HOUR = 3_600_000
const MINUTE = 60_000
const START = Date.UTC(2024, 1, 1)

async function started(settings: WeatherSettings = {}) {
  const weather = buildWeather({ idleAfter: false, maxAhead: false, partitions: 1, ...settings })
  const driver = await drive(weather.application, { startMs: START })
  const send = (reading: Partial<Reading>) =>
    driver.send(weather.readings, reading.city ?? 'a', {
      city: 'a',
      timestamp: START,
      temperature: 90,
      humidity: 50,
      ...reading,
    })
  return { weather, driver, send, forecasts: () => forecastsOf(driver, weather.forecasts) }
}

function forecastsOf(driver: Driver, topic: ReturnType<typeof buildWeather>['forecasts']): Forecast[] {
  return driver.outputs(topic).map(({ value }) => value!)
}

describe('the heat index calculation job', () => {
  test('gives what the computation row by row gives, on a year of real weather, gaps included', async () => {
    const recorded = RecordedWeather.load().readings
    const { weather, driver } = await started({
      window: '1h',
      rollingFreq: '24h',
      retention: { readings: '36500d', forecasts: '36500d' },
    })
    const last = Math.max(...recorded.map(({ timestamp }) => timestamp))
    const all = [...recorded, { city: 'end', timestamp: last + 2 * HOUR, temperature: null, humidity: null }]
    for (const reading of all) driver.send(weather.readings, reading.city, reading, reading.timestamp)
    assert.deepEqual(driver.deadLetters(), [])
    const told = forecastsOf(driver, weather.forecasts).filter(({ city }) => city !== 'end')
    assert.equal(told.length, recorded.length)
    assertAsRowByRow(told, recorded)
  })

  test('gives the same with readings that come hours late, once they are there', async () => {
    const recorded = RecordedWeather.load().readings.filter((_, i) => i % 26_000 < 2000)
    const { weather, driver } = await started({
      window: '1h',
      rollingFreq: '24h',
      allowedLateness: '20h',
      retention: { readings: '36500d', forecasts: '36500d' },
    })
    const arrives = ({ timestamp }: Reading, i: number) => timestamp + (i % 7 === 0 ? ((i % 5) + 1) * 4 * HOUR : 0)
    const sent = recorded.map((reading, i) => ({ reading, at: arrives(reading, i) })).sort((a, b) => a.at - b.at)
    for (const { reading } of sent) driver.send(weather.readings, reading.city, reading, reading.timestamp)
    driver.send(weather.readings, 'end', {
      city: 'end',
      timestamp: sent.at(-1)!.at + 9 * HOUR,
      temperature: null,
      humidity: null,
    })
    assert.deepEqual(driver.deadLetters(), [])
    assert.deepEqual(driver.outputs(weather.late), [])
    const told = forecastsOf(driver, weather.forecasts).filter(({ city }) => city !== 'end')
    const late = told.filter(({ timing }) => timing === 'late').length
    assert.ok(late > recorded.length / 7, `${late} late results`)
    assertAsRowByRow(told, recorded)
  })

  test('takes the mean of a window, and counts readings without a value', async () => {
    const { send, forecasts } = await started()
    send({ temperature: 90 })
    send({ temperature: 100, timestamp: START + 1 })
    send({ temperature: null, timestamp: START + 2 })
    send({ city: 'b', temperature: null, humidity: null })
    send({ timestamp: START + MINUTE + 5000 })
    const [a, b] = forecasts()
    assert.deepEqual([a?.city, a?.readings, a?.temperature, a?.humidity, a?.timing], ['a', 3, 95, 50, 'onTime'])
    assert.deepEqual([a?.windowStart, a?.windowEnd, a?.rollingHeatIndex], [START, START + MINUTE, a?.heatIndex])
    assert.deepEqual([b?.city, b?.readings, b?.heatIndex, b?.rollingHeatIndex], ['b', 1, null, null])
  })

  test('waits five seconds for what is out of order, and keeps what comes later', async () => {
    const { weather, driver, send, forecasts } = await started()
    send({ timestamp: START + MINUTE + 4999 })
    send({ temperature: 70, timestamp: START + 1 })
    assert.deepEqual(forecasts(), [])
    send({ timestamp: START + MINUTE + 5000 })
    assert.deepEqual(
      forecasts().map(({ temperature }) => temperature),
      [70],
    )
    send({ temperature: 60, timestamp: START + 2 })
    assert.deepEqual(forecasts(), [])
    assert.deepEqual(
      driver.outputs(weather.late).map(({ value }) => value?.temperature),
      [60],
    )
  })

  test('keeps what comes late by when it came, however old it is', async () => {
    const { weather, driver, send } = await started()
    send({ timestamp: START + MINUTE + 5000 })
    const old = START - 365 * 24 * HOUR
    send({ timestamp: old })
    driver.advance(29 * 24 * HOUR)
    send({ timestamp: old + 1 })
    const late = driver.outputs(weather.late)
    assert.deepEqual(
      late.map(({ value }) => value?.timestamp),
      [old, old + 1],
    )
    assert.deepEqual(
      late.map(({ timestamp }) => timestamp),
      [START, START + 29 * 24 * HOUR],
    )
  })

  test('corrects a window that is kept for late readings', async () => {
    const { send, forecasts } = await started({ allowedLateness: '1m' })
    send({ temperature: 90 })
    send({ timestamp: START + MINUTE + 5000 })
    send({ temperature: 100, timestamp: START + 1 })
    assert.deepEqual(
      forecasts().map(({ temperature, timing }) => [temperature, timing]),
      [
        [90, 'onTime'],
        [95, 'late'],
      ],
    )
  })

  test('ends windows when every city falls silent', async () => {
    const { driver, send, forecasts } = await started({ idleAfter: '10s' })
    send({ timestamp: START })
    driver.advance(64_999)
    assert.deepEqual(forecasts(), [])
    driver.advance(1)
    assert.equal(forecasts().length, 1)
  })

  test('makes dead letters of what no station can have measured, and goes on', async () => {
    const { weather, driver, send, forecasts } = await started({ maxAhead: '1m' })
    send({ temperature: 1000 })
    send({ humidity: -1 })
    send({ temperature: Number.NaN })
    send({ timestamp: START + HOUR })
    driver.sendBytes(weather.readings, Buffer.from('a'), Buffer.from([255]))
    assert.deepEqual(
      driver.deadLetters().map(({ code }) => code),
      ['VALUE_INVALID', 'VALUE_INVALID', 'VALUE_INVALID', 'TIMESTAMP_AHEAD', 'VALUE_UNDECODABLE'],
    )
    send({ temperature: 90 })
    driver.advance(2 * MINUTE)
    send({ timestamp: START + MINUTE + 5000 })
    assert.deepEqual(
      forecasts().map(({ readings }) => readings),
      [1],
    )
  })
})

/** What was told last of each city and window, against the computation row by row. */
function assertAsRowByRow(told: readonly Forecast[], readings: readonly Reading[]): void {
  const found = new Map(told.map(forecast => [`${forecast.city} ${forecast.windowStart}`, forecast]))
  assert.equal(found.size, readings.length)
  const expected = rollingHeatIndexes(
    {
      city: readings.map(({ city }) => city),
      time: Float64Array.from(readings, ({ timestamp }) => timestamp),
      temperature: Float64Array.from(readings, ({ temperature }) => temperature ?? Number.NaN),
      humidity: Float64Array.from(readings, ({ humidity }) => humidity ?? Number.NaN),
    },
    24 * HOUR,
  )
  for (const [i, city] of expected.city.entries()) {
    const forecast = found.get(`${city} ${expected.time[i]}`)!
    assertNear(forecast.heatIndex, expected.heatIndex[i]!)
    assertNear(forecast.rollingHeatIndex, expected.rollingHeatIndex[i]!)
  }
}

function assertNear(found: number | null, expected: number): void {
  if (Number.isNaN(expected)) assert.equal(found, null)
  else
    assert.ok(
      found !== null && Math.abs(found - expected) <= 1e-9 * Math.max(1, Math.abs(expected)),
      `${found}: ${expected}`,
    )
}
