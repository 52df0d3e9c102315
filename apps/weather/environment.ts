/**
 * The weather platform as the environment sets it up.
 *
 * WEATHER_WINDOW             length of a window (default 1m)
 * WEATHER_ROLLING_FREQ       what the rolling mean is over (default 1h)
 * WEATHER_FORMULA            regression (default) or nws
 * WEATHER_OUT_OF_ORDERNESS   how late a reading may be (default 5s)
 * WEATHER_ALLOWED_LATENESS   how long a window is kept after its end, for late readings (default 0)
 * WEATHER_EARLY              results of a window before its end, so long after a reading (default none)
 * WEATHER_IDLE_AFTER         a partition silent for so long holds no window open (default 10s; false: it does)
 * WEATHER_MAX_AHEAD          a reading so far ahead of the clock is refused (default 1m; false: none is)
 * WEATHER_READINGS_RETENTION   how long the topic of readings keeps them (default 1d)
 * WEATHER_FORECASTS_RETENTION  how long those of forecasts and late readings do (default 30d)
 * WEATHER_PARTITIONS         partitions of each topic (default 4)
 * WEATHER_REGISTRY           address of a schema registry, whose ids the values carry (default none: plain Avro)
 */
import { AldebaranError, parseDuration, schemaRegistry } from 'aldebaran'
import { buildWeather, type Weather, type WeatherSettings } from './app.ts'
import { FORMULAS } from './heat-index.ts'

const DURATIONS = {
  WEATHER_WINDOW: 'window',
  WEATHER_ROLLING_FREQ: 'rollingFreq',
  WEATHER_OUT_OF_ORDERNESS: 'outOfOrderness',
  WEATHER_ALLOWED_LATENESS: 'allowedLateness',
  WEATHER_EARLY: 'early',
} as const

/** Durations, or `false`: there is no such limit. */
const LIMITS = {
  WEATHER_IDLE_AFTER: 'idleAfter',
  WEATHER_MAX_AHEAD: 'maxAhead',
} as const

/** @throws AldebaranError OPTION_INVALID */
export function weatherFromEnvironment(environment: NodeJS.ProcessEnv): Weather {
  const settings: WeatherSettings = {}
  for (const [variable, option] of Object.entries(DURATIONS)) {
    const duration = durationOf(environment, variable)
    if (duration !== undefined) settings[option] = duration
  }
  for (const [variable, option] of Object.entries(LIMITS)) {
    const limit = environment[variable] === 'false' ? false : durationOf(environment, variable)
    if (limit !== undefined) settings[option] = limit
  }
  const { WEATHER_FORMULA: formula, WEATHER_PARTITIONS: partitions, WEATHER_REGISTRY: registry } = environment
  const readings = durationOf(environment, 'WEATHER_READINGS_RETENTION')
  const forecasts = durationOf(environment, 'WEATHER_FORECASTS_RETENTION')
  if (formula) {
    const known = FORMULAS.find(one => one === formula)
    if (known === undefined) throw invalid('WEATHER_FORMULA', `'${formula}' is none of ${FORMULAS.join(', ')}`)
    settings.formula = known
  }
  if (partitions) {
    if (!/^[1-9][0-9]{0,3}$/.test(partitions))
      throw invalid('WEATHER_PARTITIONS', `'${partitions}' is not a number from 1 to 9999`)
    settings.partitions = Number(partitions)
  }
  settings.retention = {
    ...(readings === undefined ? {} : { readings }),
    ...(forecasts === undefined ? {} : { forecasts }),
  }
  if (registry) settings.registry = schemaRegistry({ url: registry })
  return buildWeather(settings)
}

/** ms; undefined: it is not set. The error names the variable, which is what can be corrected. */
function durationOf(environment: NodeJS.ProcessEnv, variable: string): number | undefined {
  const text = environment[variable]
  return text ? parseDuration(text, variable) : undefined
}

function invalid(option: string, message: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${option}: ${message}`, { option })
}
