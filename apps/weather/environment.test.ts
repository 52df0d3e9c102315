import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive } from 'aldebaran/testing'
import { weatherFromEnvironment } from './environment.ts'
import { storeFromEnvironment } from './store/settings.ts'

const DAY = 86_400_000
const START = Date.UTC(2024, 1, 1)

/** Windows that are in the topic of forecasts after readings of a year ago. */
async function windowsOfYearBefore(environment: NodeJS.ProcessEnv): Promise<number> {
  const weather = weatherFromEnvironment({ WEATHER_PARTITIONS: '1', WEATHER_IDLE_AFTER: '1d', ...environment })
  const driver = await drive(weather.application, { startMs: START })
  for (let minute = 0; minute < 5; minute++) {
    const timestamp = START - 365 * DAY + minute * 60_000
    driver.send(weather.readings, 'a', { city: 'a', timestamp, temperature: 90, humidity: 50 })
  }
  return driver.outputs(weather.forecasts).length
}

test('forecasts of a past that the retention does not reach go; a longer one keeps them', async () => {
  assert.ok((await windowsOfYearBefore({})) < 3)
  assert.equal(await windowsOfYearBefore({ WEATHER_FORECASTS_RETENTION: '400d' }), 3)
})

test('a limit may be taken away', async () => {
  const weather = weatherFromEnvironment({
    WEATHER_PARTITIONS: '1',
    WEATHER_IDLE_AFTER: 'false',
    WEATHER_MAX_AHEAD: 'false',
  })
  const driver = await drive(weather.application, { startMs: START })
  driver.send(weather.readings, 'a', { city: 'a', timestamp: START, temperature: 90, humidity: 50 })
  driver.advance(DAY)
  assert.deepEqual(driver.outputs(weather.forecasts), [])
  driver.send(weather.readings, 'a', { city: 'a', timestamp: START + 2 * DAY, temperature: 90, humidity: 50 })
  assert.deepEqual(driver.deadLetters(), [])
  assert.equal(driver.outputs(weather.forecasts).length, 1)
})

test('what a variable cannot mean is refused by its name', () => {
  for (const [name, value] of [
    ['WEATHER_WINDOW', 'soon'],
    ['WEATHER_OUT_OF_ORDERNESS', 'false'],
    ['WEATHER_FORMULA', 'steadman'],
    ['WEATHER_PARTITIONS', '0'],
    ['WEATHER_READINGS_RETENTION', 'long'],
    ['WEATHER_FORECASTS_RETENTION', '-1d'],
    ['WEATHER_IDLE_AFTER', 'x'],
    ['WEATHER_ROLLING_FREQ', '1 hour'],
    ['WEATHER_OUT_OF_ORDERNESS', 'x'],
    ['WEATHER_MAX_AHEAD', 'x'],
    ['WEATHER_ALLOWED_LATENESS', 'x'],
    ['WEATHER_EARLY', 'x'],
  ] as const) {
    const refused = { code: 'OPTION_INVALID', message: new RegExp(name) }
    assert.throws(() => weatherFromEnvironment({ [name]: value }), refused, name)
  }
  assert.throws(() => storeFromEnvironment({ WEATHER_DATABASE_FOLDER: 'x', WEATHER_RETENTION: 'long' }), {
    code: 'OPTION_INVALID',
    message: /WEATHER_RETENTION/,
  })
})
