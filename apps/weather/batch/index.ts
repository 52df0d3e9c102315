/** The heat index of a file, and the pieces for programs of your own. */
export { baselineHeatIndexes } from './baseline.ts'
export { type HeatIndexes, type Readings, rollingHeatIndexes } from './columns.ts'
export { RollingMean, rollingMeans } from './rolling-mean.ts'
export { type BatchReport, type BatchSettings, runBatch } from './run.ts'
