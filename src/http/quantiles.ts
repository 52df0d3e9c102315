import { BUCKETS_MS } from '../runtime/measures.ts'
import type { Quantiles } from './stats-shape.ts'

/**
 * Quantiles of what fell into each bucket, evenly spread within a bucket; null when nothing did. What lies beyond the
 * last bound counts as that bound.
 */
export function quantilesOf(counts: ArrayLike<number>): Quantiles | null {
  let count = 0
  let highest = 0
  for (let i = 0; i < counts.length; i++) {
    count += counts[i]!
    if (counts[i]! > 0) highest = i
  }
  if (count <= 0) return null
  return { count, p50: quantile(counts, count * 0.5), p99: quantile(counts, count * 0.99), max: upperBound(highest) }
}

function quantile(counts: ArrayLike<number>, rank: number): number {
  let below = 0
  for (let i = 0; i < counts.length; i++) {
    const here = counts[i]!
    if (here > 0 && below + here >= rank) {
      const low = i === 0 ? 0 : upperBound(i - 1)
      return low + ((upperBound(i) - low) * (rank - below)) / here
    }
    below += here
  }
  return upperBound(counts.length - 1)
}

function upperBound(bucket: number): number {
  return BUCKETS_MS[Math.min(bucket, BUCKETS_MS.length - 1)]!
}
