/** How long alerts stayed away, by when they came. */
import type { Arrival } from './cluster-load.ts'

export interface Pause {
  /** The longest time without an alert of one partition, less what is typical, ms. */
  gap: number
  /** The longest that an alert took from its purchase, less what is typical, ms. */
  delay: number
}

/** So much before it tells what is typical, ms. */
const BEFORE_MS = 3000
/** Among so many alerts there is one of each partition. */
const LOOK_BACK = 10_000

/** The pause from one time to another, wall clock, ms; what came before tells what is typical. */
export function pauseOf(arrivals: readonly Arrival[], from: number, to: number): Pause {
  const before = longest(arrivals, from - BEFORE_MS, from)
  const within = longest(arrivals, from, to)
  return { gap: Math.max(0, within.gap - before.medianGap), delay: Math.max(0, within.delay - before.medianDelay) }
}

interface Longest {
  gap: number
  medianGap: number
  delay: number
  medianDelay: number
}

function longest(arrivals: readonly Arrival[], from: number, to: number): Longest {
  const first = firstFrom(arrivals, from)
  // A pause may begin before the first alert, and last until the end.
  const last = lastBefore(arrivals, first)
  const gaps: number[] = []
  const delays: number[] = []
  for (let i = first; i < arrivals.length; i++) {
    const { at, sent, partition } = arrivals[i]!
    if (at > to) break
    gaps.push(at - (last.get(partition) ?? from))
    last.set(partition, at)
    delays.push(at - sent)
  }
  for (const at of last.values()) gaps.push(to - at)
  return {
    gap: Math.max(0, ...gaps),
    medianGap: median(gaps),
    delay: Math.max(0, ...delays),
    medianDelay: median(delays),
  }
}

/** When each partition told of its last alert before that one. */
function lastBefore(arrivals: readonly Arrival[], index: number): Map<number, number> {
  const last = new Map<number, number>()
  for (let i = Math.max(0, index - LOOK_BACK); i < index; i++) last.set(arrivals[i]!.partition, arrivals[i]!.at)
  return last
}

/** The index of the first arrival at that time or later. */
function firstFrom(arrivals: readonly Arrival[], time: number): number {
  let low = 0
  let high = arrivals.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (arrivals[middle]!.at < time) low = middle + 1
    else high = middle
  }
  return low
}

function median(values: readonly number[]): number {
  return values.length === 0 ? 0 : [...values].sort((a, b) => a - b)[values.length >> 1]!
}
