/** The weather platform as the benchmark runs it: what its worker threads import. */
import { buildWeather } from '../apps/weather/app.ts'

export const benchWeather = () =>
  buildWeather({
    partitions: Number(process.env.WEATHER_PARTITIONS ?? 4),
    // The readings are of the past.
    retention: { readings: '36500d', forecasts: '36500d' },
    idleAfter: process.env.WEATHER_IDLE_AFTER ?? false,
  })

export const app = benchWeather().application
