import { type LoadReport, LoadRun, type LoadSettings } from './load-run.ts'
import type { Second } from './meter.ts'

export interface ConstantSettings extends LoadSettings {
  /** Readings a second. Default 500: 15,000 cities report once a minute, 250 a second, and this is twice that. */
  rate?: number
  /** ms. Default a minute. */
  forMs?: number
}

export interface ConstantReport extends LoadReport {
  rate: number
}

/**
 * Sends readings at one rate to a weather platform that runs, and accounts for each of them.
 * @returns what it came to, and its seconds
 * @throws AldebaranError APPLICATION_OTHER, and what the API throws before the first reading
 */
export async function runConstant(
  settings: ConstantSettings,
): Promise<{ report: ConstantReport; seconds: readonly Second[] }> {
  const { rate = 500, forMs = 60_000 } = settings
  const run = await LoadRun.open(settings)
  try {
    run.rate = rate
    await run.pause(forMs)
    await run.settle()
  } finally {
    await run.close()
  }
  return { report: { rate, ...run.report() }, seconds: run.meter.seconds }
}
