/**
 * Readings of many keys for windows and joins, and what must come of them.
 *
 * A key has a reading each 10 s, six in a row, then none for a minute; so each six are a window of a minute, or a session. Of
 * joins, a left reading has a right one half a second later at every other step.
 */

export const TIMED_START = Date.UTC(2024, 1, 1)
export const STEP_MS = 10_000
const IN_A_ROW = 6
const ROUND_MS = 120_000

export interface TimedWorkload {
  readonly keys: number
  /** Readings of each key: a multiple of 6. */
  readonly steps: number
}

export function keyName(number: number): string {
  return `key${String(number).padStart(5, '0')}`
}

/** Keys are spread over a step. */
export function timeOf({ keys }: TimedWorkload, key: number, step: number): number {
  const round = Math.floor(step / IN_A_ROW)
  return TIMED_START + round * ROUND_MS + (step % IN_A_ROW) * STEP_MS + Math.floor((key * STEP_MS) / keys)
}

export interface Expected {
  readonly results: number
  /** Of what the results count; of joins the results with both sides. */
  readonly sum: number
}

/** Windows that have a reading, and readings in them. */
export function fixedWindows(workload: TimedWorkload, size: number, every: number): Expected {
  const { keys, steps } = workload
  let results = 0
  let sum = 0
  for (let key = 0; key < keys; key++) {
    let before = Number.NEGATIVE_INFINITY
    for (let step = 0; step < steps; step++) {
      const time = timeOf(workload, key, step)
      const last = Math.floor(time / every)
      const first = Math.floor((time - size) / every) + 1
      results += last - Math.max(first - 1, before)
      sum += last - first + 1
      before = last
    }
  }
  return { results, sum }
}

export function sessions({ keys, steps }: TimedWorkload): Expected {
  return { results: (keys * steps) / IN_A_ROW, sum: keys * steps }
}

/** Each reading with those before it in its row: 1, 2 … 6. Sliding windows tell what stays when one leaves, too: 5 … 1. */
export function trailing({ keys, steps }: TimedWorkload, tellsExits: boolean): Expected {
  const rows = (keys * steps) / IN_A_ROW
  const exits = tellsExits ? IN_A_ROW - 1 : 0
  const sum = (IN_A_ROW * (IN_A_ROW + 1) + exits * (exits + 1)) / 2
  return { results: rows * (IN_A_ROW + exits), sum: rows * sum }
}
