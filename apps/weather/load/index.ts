/** Load tests of the weather platform: at one rate, and up to its limit. */
export { chartOfRun } from './chart.ts'
export { type ConstantReport, type ConstantSettings, runConstant } from './constant.ts'
export type { LoadReport } from './load-run.ts'
export type { Second } from './meter.ts'
export { type RampReport, type RampSettings, runRamp, type Step } from './ramp.ts'
export { LoadView, type LoadViewSettings } from './view.ts'
