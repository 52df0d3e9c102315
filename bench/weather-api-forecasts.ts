/** Forecasts as the benchmark of the weather API writes them. */
import type { Forecast } from '../apps/weather/schemas.ts'

/** The length of each window, ms. */
export const MINUTE = 60_000

export function forecastOf(city: string, windowStart: number, heatIndex: number): Forecast {
  return {
    city,
    windowStart,
    windowEnd: windowStart + MINUTE,
    heatIndex,
    rollingHeatIndex: heatIndex - 1.25,
    temperature: heatIndex - 3,
    humidity: 61.5,
    readings: 4,
    timing: 'onTime',
  }
}
