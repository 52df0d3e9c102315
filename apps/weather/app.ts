/**
 * The weather platform: the heat index of every city, as it changes.
 *
 *     weather_input_topic ─► check ─► windows of a minute ─┬─► rolling mean ─► forecast_output_topic
 *                                         │                └─► early results ─┘
 *                                         └─► weather_late_topic: readings whose window is closed
 *
 * A reading that does not fit its schema, that no station can have measured, or that is far ahead of the clock becomes a dead
 * letter, and can be replayed.
 */
import {
  AldebaranError,
  type Application,
  type AvroSchema,
  application,
  count,
  mean,
  parseDuration,
  pipeline,
  rolling,
  type SchemaRegistryClient,
  type Topic,
  text,
  topic,
  tumbling,
} from 'aldebaran'
import { type Formula, heatIndexOf } from './heat-index.ts'
import {
  type Forecast,
  forecastSchema,
  type Reading,
  readingSchema,
  type WindowValues,
  windowSchema,
} from './schemas.ts'

export interface WeatherSettings {
  /** Default '1m'. */
  window?: string | number
  /** The rolling mean is over so long, both ends included. Default '1h'. */
  rollingFreq?: string | number
  /** Default 'regression'. */
  formula?: Formula
  /** How late a reading may be and still count in its window. Default '5s'. */
  outOfOrderness?: string | number
  /**
   * A window is kept for so long after its end, and told again for readings that come late; so are those that have it in
   * their rolling mean. Default 0.
   */
  allowedLateness?: string | number
  /** Results of a window before its end, so long after a reading. Default: none. */
  early?: string | number
  /** A partition without a reading for so long holds no window open. Default '10s'. */
  idleAfter?: string | number | false
  /** A reading so far ahead of the clock is a dead letter. Default '1m'. */
  maxAhead?: string | number | false
  /** Default 4. */
  partitions?: number
  /** Of the input and output, 1 day and 30 days by default. */
  retention?: { readings?: string | number; forecasts?: string | number }
  /** Values carry the ids of its schemas. Default: plain Avro. */
  registry?: SchemaRegistryClient
}

export const TOPICS = {
  readings: 'weather_input_topic',
  forecasts: 'forecast_output_topic',
  late: 'weather_late_topic',
} as const

/** Called "Heat Index Calculation Job" by its users. */
export const JOB = 'heat-index-calculation-job'

export interface Weather {
  readonly application: Application
  readonly readings: Topic<string, Reading>
  readonly forecasts: Topic<string, Forecast>
  readonly late: Topic<string, Reading>
  /** Length of a window, ms. */
  readonly windowMs: number
}

export function buildWeather(settings: WeatherSettings = {}): Weather {
  const windowMs = parseDuration(settings.window ?? '1m', 'window')
  const { partitions = 4, retention = {}, registry } = settings
  const schemaOf = <T>(name: string, schema: AvroSchema<T>): AvroSchema<T> =>
    registry === undefined ? schema : registry.avro(schema, { topic: name })
  const made = <T extends { city: string }>(
    name: string,
    schema: AvroSchema<T>,
    kept: string | number,
  ): Topic<string, T> =>
    topic(name, { key: text(), value: schemaOf(name, schema), partitions, retentionTime: kept, keyOf: cityOf })
  const readings = made(TOPICS.readings, readingSchema(), retention.readings ?? '1d')
  const late = made(TOPICS.late, readingSchema(), retention.forecasts ?? '30d')
  const forecasts = made(TOPICS.forecasts, forecastSchema(), retention.forecasts ?? '30d')

  const heatIndex = heatIndexOf(settings.formula ?? 'regression')
  const { allowedLateness } = settings
  const lateness = allowedLateness === undefined ? {} : { allowedLateness }
  const corrections = allowedLateness === undefined ? {} : { allowedLateness, corrects: true }
  const job = pipeline(JOB, { sends: [late] })
  const windows = job
    .from(readings, {
      timestamp: ({ timestamp }) => timestamp,
      outOfOrderness: settings.outOfOrderness ?? '5s',
      idleAfter: settings.idleAfter ?? '10s',
      maxAhead: settings.maxAhead ?? '1m',
    })
    .filter(isPlausible)
    .window('minutes', tumbling(windowMs), {
      ...lateness,
      ...(settings.early === undefined ? {} : { early: settings.early }),
    })
  // By when it came: by its own time, what is older than the retention of the topic would be gone at once.
  windows.late.each((reading, context) => context.send(late, context.key, reading, { timestamp: context.now }))
  const { early, ended } = windows
    .aggregate({
      readings: count(),
      heatIndex: mean(one => (isWhole(one) ? heatIndex(one.temperature, one.humidity) : null)),
      temperature: mean(one => (isWhole(one) ? one.temperature : null)),
      humidity: mean(one => (isWhole(one) ? one.humidity : null)),
    })
    .branch({ early: ({ timing }) => timing === 'early', ended: () => true })

  early.map((window, { key }): Forecast => ({ ...window, city: key, rollingHeatIndex: null })).to(forecasts)
  ended
    .map(
      // Spelled out: to spread it would cost 9 % of the job.
      ({ windowStart, windowEnd, heatIndex, temperature, humidity, readings: n }): WindowValues => {
        return { windowStart, windowEnd, heatIndex, temperature, humidity, readings: n }
      },
    )
    .window('rolling', rolling(settings.rollingFreq ?? '1h'), { value: windowSchema(), ...corrections })
    .aggregate({ rollingHeatIndex: mean(window => window.heatIndex) })
    .map(({ value, rollingHeatIndex, timing }, { key }): Forecast => {
      const { windowStart, windowEnd, heatIndex, temperature, humidity, readings: n } = value
      // biome-ignore format: as one line it is read at a glance
      return { city: key, windowStart, windowEnd, heatIndex, temperature, humidity, readings: n, rollingHeatIndex, timing }
    })
    .to(forecasts)
  return { application: application('weather', { pipelines: [job] }), readings, forecasts, late, windowMs }
}

function isWhole(reading: Reading): reading is Reading & { temperature: number; humidity: number } {
  return reading.temperature !== null && reading.humidity !== null
}

/** The key of what comes without one. @throws AldebaranError VALUE_INVALID */
function cityOf({ city }: { city: string }): string {
  if (city === '') throw invalid('city must not be empty')
  return city
}

/** What no station on Earth can have measured is refused: one such value would spoil the mean of an hour. °F, % */
const TEMPERATURES = { least: -150, most: 160 }
const HUMIDITIES = { least: 0, most: 100 }

/** @throws AldebaranError VALUE_INVALID */
function isPlausible({ temperature, humidity }: Reading): boolean {
  if (temperature !== null && !(temperature >= TEMPERATURES.least && temperature <= TEMPERATURES.most)) {
    throw invalid(`a temperature of ${temperature} °F lies outside ${TEMPERATURES.least} to ${TEMPERATURES.most}`)
  }
  if (humidity !== null && !(humidity >= HUMIDITIES.least && humidity <= HUMIDITIES.most)) {
    throw invalid(`a humidity of ${humidity} % lies outside ${HUMIDITIES.least} to ${HUMIDITIES.most}`)
  }
  return true
}

function invalid(message: string): AldebaranError {
  return new AldebaranError('VALUE_INVALID', message)
}
