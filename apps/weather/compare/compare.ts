import { setImmediate } from 'node:timers/promises'
import { baselineHeatIndexes, type HeatIndexes, type Readings, rollingHeatIndexes } from '../batch/index.ts'

/** One day of one city, 2024-02-01 to 2024-02-02, both included: minutes between two readings. */
export const SIZES = { small: 10, medium: 2, large: 1 } as const
export type Size = keyof typeof SIZES

export interface Comparison {
  readonly size: Size
  readonly rows: number
  /** Medians, ms. */
  readonly baselineMs: number
  readonly optimisedMs: number
  /** What the optimised one takes less, % of the baseline's time. */
  readonly saved: number
  /** Same rows, same missing values, and means that differ by no more than {@link TOLERANCE}. */
  readonly equal: boolean
  /** Equal, and at least {@link LEAST_SAVED} saved. */
  readonly ok: boolean
}

export interface CompareSettings {
  /** Default all. */
  readonly sizes?: readonly Size[]
  /** Timed runs of the baseline. Default 9. */
  readonly runs?: number
  readonly signal?: AbortSignal
}

/** % */
export const LEAST_SAVED = 97
/** °F: sums are added up in another order. */
export const TOLERANCE = 1e-9

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const WIDTH_MS = 60 * MINUTE_MS
const SEED = 42
/** A run of the optimised one is too short for the clock: so many are timed together. */
const TOGETHER = 50
const WARM_UP_MS = 150

export function isSize(text: string): text is Size {
  return Object.hasOwn(SIZES, text)
}

/** Readings of a day, the same at every call: temperatures from 60 to 110 °F, humidity from 20 to 100 %, uniform. */
export function datasetOf(size: Size): Readings {
  const random = uniform(SEED)
  const step = SIZES[size] * MINUTE_MS
  const length = DAY_MS / step + 1
  return {
    city: new Array<string>(length).fill('city00000'),
    time: Float64Array.from({ length }, (_, i) => Date.UTC(2024, 1, 1) + i * step),
    temperature: Float64Array.from({ length }, () => 60 + 50 * random()),
    humidity: Float64Array.from({ length }, () => 20 + 80 * random()),
  }
}

/** Runs both on the same readings in this process, after a warm-up. */
export async function compareImplementations(settings: CompareSettings = {}): Promise<Comparison[]> {
  const comparisons: Comparison[] = []
  for (const size of settings.sizes ?? (Object.keys(SIZES) as Size[])) {
    const readings = datasetOf(size)
    const equal = areEqual(baselineHeatIndexes(readings, WIDTH_MS), rollingHeatIndexes(readings, WIDTH_MS))
    const baseline: number[] = []
    const optimised: number[] = []
    warmUp(() => baselineHeatIndexes(readings, WIDTH_MS))
    warmUp(() => rollingHeatIndexes(readings, WIDTH_MS))
    for (let run = 0; run < (settings.runs ?? 9); run++) {
      baseline.push(timed(() => baselineHeatIndexes(readings, WIDTH_MS), 1))
      optimised.push(timed(() => rollingHeatIndexes(readings, WIDTH_MS), TOGETHER))
      // Ctrl-C gets its turn.
      await setImmediate(undefined)
      settings.signal?.throwIfAborted()
    }
    comparisons.push(comparisonOf(size, readings.city.length, median(baseline), median(optimised), equal))
  }
  return comparisons
}

/** What the times mean. */
export function comparisonOf(
  size: Size,
  rows: number,
  baselineMs: number,
  optimisedMs: number,
  equal: boolean,
): Comparison {
  const saved = (1 - optimisedMs / baselineMs) * 100
  return { size, rows, baselineMs, optimisedMs, saved, equal, ok: equal && saved >= LEAST_SAVED }
}

/** Whether two results have the same rows with the same values, missing ones too. */
export function areEqual(a: HeatIndexes, b: HeatIndexes): boolean {
  return (
    a.city.length === b.city.length &&
    a.city.every(
      (city, row) =>
        city === b.city[row] &&
        a.time[row] === b.time[row] &&
        isNear(a.heatIndex[row]!, b.heatIndex[row]!) &&
        isNear(a.rollingHeatIndex[row]!, b.rollingHeatIndex[row]!),
    )
  )
}

function isNear(a: number, b: number): boolean {
  return Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) === Number.isNaN(b) : Math.abs(a - b) <= TOLERANCE
}

/** Until the compiler is done with it. */
function warmUp(work: () => unknown): void {
  const until = performance.now() + WARM_UP_MS
  while (performance.now() < until) work()
}

function timed(work: () => unknown, times: number): number {
  const begun = performance.now()
  for (let i = 0; i < times; i++) work()
  return (performance.now() - begun) / times
}

function median(values: number[]): number {
  values.sort((a, b) => a - b)
  return values[values.length >> 1]!
}

/** Numbers in [0, 1): mulberry32, by Tommy Ettinger (public domain). */
function uniform(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
