/** One kill of a process that does the audit job under load, and what came of it. */
import { setTimeout } from 'node:timers/promises'
import { type AuditLoad, now, type Outcome } from './cluster-load.ts'
import { type Pause, pauseOf } from './cluster-pause.ts'
import type { RunOutcome } from './cluster-run.ts'
import { percentiles } from './measure.ts'

/** What may be killed: our nodes, or those of a peer. */
export interface KilledRun {
  readonly nodes: readonly KilledNode[]
  readonly load: AuditLoad
  /** What ended by itself. */
  readonly failure: Error | null
  /** Resolves when all nodes are there and at work. */
  settled(): Promise<unknown>
  /** Records that nodes read to take tasks over, by node, where that is known. */
  restored?(): Promise<Map<string, number>>
  finish(limitMs: number): Promise<Outcome & Partial<RunOutcome>>
  close(): Promise<void>
}

interface KilledNode {
  readonly name: string
  readonly ready: Promise<void>
  kill(): Promise<void>
  start(): void
}

export interface KillLimits {
  /** Each wait ends after that, ms. */
  readonly limitMs: number
  /** After a kill, once all have settled, ms. */
  readonly restMs: number
}

export interface Kill {
  /** Until every partition went on, and at least for WINDOW_MS. */
  pause: Pause
  /** While the node came back and took its tasks over again. */
  later: Pause
  /** Records that the others read to go on in its place; 0 where that is not known. */
  restored: number
  settledMs: number
}

/** A pause is looked for so long after a kill, at least. */
const WINDOW_MS = 5000
/** A supervisor starts a process again after about that time. */
const RESTART_MS = 1000

/** @throws Error when something does not come back in time */
export async function killOne(run: KilledRun, node: KilledNode, { limitMs, restMs }: KillLimits): Promise<Kill> {
  const before = await run.restored?.()
  const at = now()
  await node.kill()
  await setTimeout(RESTART_MS)
  node.start()
  await setTimeout(WINDOW_MS - RESTART_MS)
  await run.load.goesOn(limitMs)
  const goesOn = now()
  const after = (await run.restored?.()) ?? new Map<string, number>()
  await within(node.ready, limitMs, `${node.name} was not ready`)
  await run.settled()
  const settledMs = now() - at
  await setTimeout(restMs)
  await run.load.goesOn(limitMs)
  let restored = 0
  for (const [name, records] of after) if (name !== node.name) restored += records - (before?.get(name) ?? 0)
  const { arrivals } = run.load
  return {
    pause: pauseOf(arrivals, at, goesOn),
    later: pauseOf(arrivals, goesOn, Math.max(now(), goesOn + 1)),
    restored,
    settledMs,
  }
}

/** Each as median, 99th percentile and the longest, ms, rounded; none without kills. */
export function figuresOf(kills: readonly Kill[]): Record<string, number> {
  if (kills.length === 0) return {}
  const values = {
    pause: kills.map(kill => kill.pause.gap),
    delay: kills.map(kill => kill.pause.delay),
    return_pause: kills.map(kill => kill.later.gap),
    settled: kills.map(kill => kill.settledMs),
  }
  const figures: Record<string, number> = {}
  for (const [name, all] of Object.entries(values)) {
    const { p50, p99, max } = percentiles(Float64Array.from(all).sort())
    figures[`p50_${name}_ms`] = Math.round(p50)
    figures[`p99_${name}_ms`] = Math.round(p99)
    figures[`longest_${name}_ms`] = Math.round(max)
  }
  return figures
}

/** @throws Error when it takes longer */
export async function within(promise: Promise<void>, limitMs: number, what: string): Promise<void> {
  const done = new AbortController()
  const late = setTimeout(limitMs, undefined, { signal: done.signal }).then(() => {
    throw new Error(`${what} within ${limitMs} ms`)
  })
  try {
    await Promise.race([promise, late])
  } finally {
    done.abort()
  }
}
