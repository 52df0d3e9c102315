/** The optimised implementation of the rolling heat index against the one row by row: results, times and a chart. */
export { COMPARISON_COLUMNS } from './columns.ts'
export { type Comparison, compareImplementations, datasetOf, isSize, SIZES, type Size } from './compare.ts'
export { writeCharts } from './write-charts.ts'
