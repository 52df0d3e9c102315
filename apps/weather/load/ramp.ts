/**
 * Raises the rate until the platform does not keep up, then goes back to the first rate and measures how long it takes until
 * the pipeline is where it was.
 *
 * 1. A rate is kept when 95 % of it is accepted, and the lag does not grow by more than 5 % of what was accepted meanwhile.
 * 2. It ends when less is accepted, or when the lag has grown in two steps one after the other. The limit is the last rate
 *    that was kept.
 */
import { type LoadReport, LoadRun, type LoadSettings } from './load-run.ts'
import type { Second } from './meter.ts'

export interface RampSettings extends LoadSettings {
  /** Readings a second, to begin with. Default 1000. */
  from?: number
  /** Each step is so many times faster. Default 1.5. */
  factor?: number
  /** ms. Default 5 s. */
  stepMs?: number
  /** Readings a second; it goes no higher. Default a million. */
  most?: number
  onStep?: (step: Step) => void
}

/** A rate that was tried. */
export interface Step {
  rate: number
  /** A second. */
  acceptedPerSecond: number
  /** At the end of the step; null: nobody told. */
  lag: number | null
  /** What it grew by, less than 0 when it fell. */
  lagGrowth: number
  kept: boolean
}

export interface RampReport extends LoadReport {
  /** The highest rate that was kept; null: the first one was too high. */
  limit: number | null
  /** What was too much: too little was accepted, or the pipeline fell behind; null: it was not found. */
  limitedBy: 'accepted' | 'lag' | null
  /** From the return to the first rate until the lag was what it had been at most; null: it was not, or there was no limit. */
  recoverySeconds: number | null
  steps: readonly Step[]
}

const KEPT_SHARE = 0.95
const GROWTH_SHARE = 0.05
const GROWN_STEPS = 2

/**
 * @returns what it came to, and its seconds
 * @throws AldebaranError APPLICATION_OTHER, and what the API throws before the first reading
 */
export async function runRamp(settings: RampSettings): Promise<{ report: RampReport; seconds: readonly Second[] }> {
  const run = await LoadRun.open(settings)
  try {
    const { steps, limitedBy, lagAtFirst } = await climb(run, settings)
    const { from = 1000, settleMs = 180_000 } = settings
    const recoverySeconds = limitedBy === null ? null : await recover(run, from, lagAtFirst, settleMs)
    await run.settle()
    const limit = steps.findLast(step => step.kept)?.rate ?? null
    return { report: { limit, limitedBy, recoverySeconds, steps, ...run.report() }, seconds: run.meter.seconds }
  } finally {
    await run.close()
  }
}

interface Climb {
  steps: Step[]
  limitedBy: RampReport['limitedBy']
  /** The highest of the first step. */
  lagAtFirst: number
}

async function climb(run: LoadRun, settings: RampSettings): Promise<Climb> {
  const { from = 1000, factor = 1.5, stepMs = 5000, most = 1_000_000, onStep = () => {} } = settings
  const steps: Step[] = []
  await run.lag.again()
  let [lag, lagAtFirst, grown] = [run.lag.lag ?? 0, 0, 0]
  for (let rate = Math.min(from, most); ; rate = Math.min(Math.round(rate * factor), most)) {
    const accepted = run.meter.accepted
    const begun = performance.now()
    run.rate = rate
    while (performance.now() - begun < stepMs && !run.isOver) {
      await run.pause(Math.min(LOOK_MS, Math.max(1, stepMs - (performance.now() - begun))))
      if (steps.length === 0) lagAtFirst = Math.max(lagAtFirst, run.lag.lag ?? 0)
    }
    // A step that was cut short tells nothing.
    if (run.isOver) return { steps, limitedBy: null, lagAtFirst }
    const step = judge(rate, run.meter.accepted - accepted, performance.now() - begun, lag, run.lag.lag)
    lag = step.lag ?? lag
    steps.push(step)
    onStep(step)
    if (step.acceptedPerSecond < rate * KEPT_SHARE) return { steps, limitedBy: 'accepted', lagAtFirst }
    grown = step.kept ? 0 : grown + 1
    if (grown === GROWN_STEPS) return { steps, limitedBy: 'lag', lagAtFirst }
    if (rate === most) return { steps, limitedBy: null, lagAtFirst }
  }
}

const LOOK_MS = 250

/** What a step of `ms` at a rate came to. */
export function judge(rate: number, accepted: number, ms: number, lagBefore: number, lag: number | null): Step {
  const acceptedPerSecond = Math.round((accepted / ms) * 1000)
  const lagGrowth = (lag ?? lagBefore) - lagBefore
  const kept = acceptedPerSecond >= rate * KEPT_SHARE && lagGrowth <= accepted * GROWTH_SHARE
  return { rate, acceptedPerSecond, lag, lagGrowth, kept }
}

async function recover(run: LoadRun, rate: number, lag: number, atMostMs: number): Promise<number | null> {
  const begun = performance.now()
  run.rate = rate
  // What was sent at the highest rate still comes in.
  await run.answered()
  const over = performance.now()
  while (!run.isOver && performance.now() - begun < atMostMs) {
    await run.lag.again()
    const { lag: now, askedAt } = run.lag
    if (askedAt > over && now !== null && now <= lag) return Number(((performance.now() - begun) / 1000).toFixed(2))
  }
  return null
}
