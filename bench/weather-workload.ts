/** Readings of many cities, made from a seed so that who checks can make them again. */

export const WORKLOAD_START = Date.UTC(2024, 1, 1)

export function cityName(number: number): string {
  return `city${String(number).padStart(5, '0')}`
}

/** °F and %, of a city at a step: cheap, and another one each time. */
export function temperatureOf(city: number, step: number): number {
  return 60 + (((city * 7919 + step * 104_729) >>> 0) % 5000) / 100
}

export function humidityOf(city: number, step: number): number {
  return 20 + (((city * 15_485_863 + step * 32_452_843) >>> 0) % 8000) / 100
}

export interface Workload {
  readonly cities: number
  /** Readings of each city. */
  readonly steps: number
  /** Between two readings of a city, ms. */
  readonly stepMs: number
}

/** When a city reports at a step: spread over the step. */
export function timeOf({ cities, stepMs }: Workload, city: number, step: number): number {
  return WORKLOAD_START + step * stepMs + Math.floor((city * stepMs) / cities)
}
