/**
 * Weather for cities that no recording is there for: from latitude, day of the year and local time of the day, with what
 * differs from city to city and from day to day. The cities are real, their weather is made up.
 */
import type { City } from './cities.ts'
import type { Reading } from './schemas.ts'

const DAY = 86_400_000
const YEAR = 365.2422 * DAY
/** The warmest day of the north, after midsummer. */
const WARMEST = Date.UTC(1970, 6, 20)

export function simulatedReading(city: City, number: number, timestamp: number): Reading {
  const { lat, lon } = city
  const local = timestamp + (lon / 360) * DAY
  const season = Math.cos((2 * Math.PI * (timestamp - WARMEST)) / YEAR) * Math.sign(lat || 1)
  const latitude = Math.abs(lat)
  // °C: the mean of the year falls with the latitude, and what the seasons and the time of the day do grows with it.
  const yearly = 27 - 0.0085 * latitude * latitude
  const seasonal = 0.3 * latitude * season
  const daily = 5 * Math.cos((2 * Math.PI * (local - 15 * (DAY / 24))) / DAY)
  const weather = 4 * wave(number, timestamp, 5 * DAY) + 1.5 * wave(number + 7919, timestamp, 7 * 3_600_000)
  const celsius = yearly + seasonal + daily + weather
  const humidity = 62 + 18 * wave(number + 104_729, timestamp, 3 * DAY) - 1.8 * daily
  return {
    city: city.id,
    timestamp,
    temperature: rounded(celsius * 1.8 + 32, 100),
    humidity: rounded(Math.min(100, Math.max(8, humidity)), 100),
  }
}

/** A smooth curve from −1 to 1 that is another one for each number. */
function wave(number: number, timestamp: number, period: number): number {
  const phase = ((number * 2_654_435_761) % 4_294_967_296) / 4_294_967_296
  const at = timestamp / period + phase
  return 0.6 * Math.sin(2 * Math.PI * (at + phase * 17)) + 0.4 * Math.sin(2 * Math.PI * (at * 2.7 + phase * 31))
}

function rounded(value: number, parts: number): number {
  return Math.round(value * parts) / parts
}
