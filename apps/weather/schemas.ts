/**
 * The records of the weather platform. The order of the fields is the order of the bytes: new ones go to the end, with a
 * default.
 */
import { avro, type ObjectOf, t } from 'aldebaran'

/** What a station reports. Null: its sensor gave nothing. */
export const readingFields = {
  city: t.string,
  timestamp: t.timestampMillis,
  /** °F */
  temperature: t.optional(t.double),
  /** Relative, % */
  humidity: t.optional(t.double),
}

export const TIMINGS = ['early', 'onTime', 'late'] as const

/** What a window of a city has come to. */
export const windowFields = {
  /** The window: from the start, up to but not including the end. */
  windowStart: t.timestampMillis,
  windowEnd: t.timestampMillis,
  /** Mean over the readings of the window, °F; null: none had temperature and humidity. */
  heatIndex: t.optional(t.double),
  /** Means of the readings that had both, °F and %. */
  temperature: t.optional(t.double),
  humidity: t.optional(t.double),
  /** Readings in the window, those without a value too. */
  readings: t.int,
}

/** The heat index of a city in a window of event time. */
export const forecastFields = {
  city: t.string,
  ...windowFields,
  /** Mean of the heat indexes of the windows that began in [windowStart − rolling_freq, windowStart], °F; null: there is none. */
  rollingHeatIndex: t.optional(t.double),
  /** Before the window ended, at its end, or again for readings that came late. */
  timing: t.enum(TIMINGS, 'Timing'),
}

export type Reading = ObjectOf<typeof readingFields>
export type WindowValues = ObjectOf<typeof windowFields>
export type Forecast = ObjectOf<typeof forecastFields>

export const readingSchema = () => avro('WeatherReading', readingFields)
export const forecastSchema = () => avro('Forecast', forecastFields)
export const windowSchema = () => avro('Window', windowFields)
