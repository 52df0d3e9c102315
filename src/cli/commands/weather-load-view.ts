/** What a load test of the weather platform tells people: a line a second, and what it came to. */
import { countText } from '../show-values.ts'

export interface Quantiles {
  p50: number
  p99: number
  max: number
}

/** As `apps/weather/load` measures it. */
export interface Second {
  second: number
  rate: number
  sent: number
  accepted: number
  refused: number
  behind: number
  underWay: number
  ingestMs: Quantiles | null
  forecasts: number
  forecastMs: Quantiles | null
  lag: number | null
  busy: number
}

export interface Step {
  rate: number
  acceptedPerSecond: number
  lag: number | null
  lagGrowth: number
  kept: boolean
}

/** As `apps/weather/load` reports it: of both kinds of run. */
export interface LoadReport {
  rate?: number
  limit?: number | null
  limitedBy?: 'accepted' | 'lag' | null
  recoverySeconds?: number | null
  steps?: readonly Step[]
  url: string
  run: string
  cities: number
  seconds: number
  sent: number
  accepted: number
  refused: number
  refusals: Readonly<Record<string, number>>
  inDoubt: number
  notSent: number
  acceptedPerSecond: number
  ingestMs: Quantiles | null
  forecasts: number
  forecastMs: Quantiles | null
  highestLag: number
  told: number
  late: number
  deadLetters: number
  lost: number | null
  outstanding: number
  doubled: number
  settleSeconds: number
  busy: number
  interrupted: boolean
}

interface Column {
  header: string
  width: number
  cell: (second: Second) => string
}

const COLUMNS: readonly Column[] = [
  { header: 'SECOND', width: 6, cell: one => String(one.second) },
  { header: 'RATE', width: 9, cell: one => countText(one.rate) },
  { header: 'ACCEPTED', width: 9, cell: one => countText(one.accepted) },
  { header: 'REFUSED', width: 8, cell: one => countText(one.refused) },
  { header: 'WAITING', width: 9, cell: one => countText(one.behind) },
  { header: 'P50 ms', width: 8, cell: one => timeText(one.ingestMs?.p50) },
  { header: 'P99 ms', width: 8, cell: one => timeText(one.ingestMs?.p99) },
  { header: 'MAX ms', width: 8, cell: one => timeText(one.ingestMs?.max) },
  { header: 'LAG', width: 9, cell: one => (one.lag === null ? '–' : countText(one.lag)) },
  { header: 'FORECASTS', width: 9, cell: one => countText(one.forecasts) },
  { header: 'P99 ms', width: 8, cell: one => timeText(one.forecastMs?.p99) },
]
/** The header of a table comes again after so many lines. */
const HEADER_EACH = 20
/** From here on the sender itself may be what limits. */
const BUSY = 0.9

/** A line a second: of a table for a terminal, with the names in each line for a file. */
export class SecondLines {
  readonly #isTable: boolean
  #lines = 0

  constructor(isTable: boolean) {
    this.#isTable = isTable
  }

  of(second: Second): string[] {
    if (!this.#isTable) return [sentenceOf(second)]
    const row = COLUMNS.map(({ width, cell }) => cell(second).padStart(width)).join(' ')
    if (this.#lines++ % HEADER_EACH !== 0) return [row]
    return [COLUMNS.map(({ header, width }) => header.padStart(width)).join(' '), row]
  }
}

function sentenceOf({ second, rate, accepted, refused, behind, ingestMs, lag, forecasts, forecastMs }: Second): string {
  const taken = `${countText(accepted)} accepted of ${countText(rate)} a second, ${countText(refused)} refused`
  const waits = `${countText(behind)} waiting, lag ${lag === null ? 'not known' : countText(lag)}`
  const told = `${countText(forecasts)} forecasts${forecastMs === null ? '' : ` (${timesText(forecastMs)})`}`
  return `${second} s: ${taken}, ${waits}, ${ingestMs === null ? 'none accepted' : timesText(ingestMs)}, ${told}`
}

/** By the names that people read. */
export function loadReportShown(report: LoadReport): Record<string, unknown> {
  const { limit, limitedBy, recoverySeconds, refused, refusals, lost, outstanding, notSent, inDoubt } = report
  const codes = Object.entries(refusals).map(([code, count]) => `${code} ${countText(count)}`)
  return {
    ...(limit !== undefined && { limit: limitText(limit, limitedBy ?? null) }),
    ...(recoverySeconds !== undefined && { recovery: recoveryText(recoverySeconds, limitedBy ?? null) }),
    sent: `${countText(report.sent)} readings of ${countText(report.cities)} cities in ${report.seconds} s`,
    accepted: `${countText(report.accepted)}, ${countText(report.acceptedPerSecond)} a second`,
    refused: codes.length === 0 ? countText(refused) : `${countText(refused)}: ${codes.join(', ')}`,
    ...(inDoubt > 0 && { 'in doubt': `${countText(inDoubt)} of the refused may have been taken` }),
    ...(notSent > 0 && { 'not sent': `${countText(notSent)}: every connection was busy` }),
    'to be acknowledged': timesOrNone(report.ingestMs, 'nothing was accepted'),
    'window end to forecast': timesOrNone(report.forecastMs, 'no window ended while readings were sent'),
    'highest lag': countText(report.highestLag),
    'told of': `${countText(report.told)} in ${countText(report.forecasts)} forecasts, ${countText(report.late)} late, ${countText(report.deadLetters)} dead letters`,
    settled: `after ${report.settleSeconds} s`,
    ...(report.busy >= BUSY && { sender: `was busy ${Math.round(report.busy * 100)} %: the limit may be its own` }),
    lost: lost === null ? `not known: interrupted, with ${countText(outstanding)} not told of yet` : countText(lost),
    doubled: countText(report.doubled),
  }
}

function limitText(limit: number | null, by: 'accepted' | 'lag' | null): string {
  if (by === null) return `not found${limit === null ? '' : `: ${countText(limit)} readings a second were kept`}`
  const why = by === 'lag' ? 'beyond it the pipeline falls behind' : 'beyond it less is accepted than is sent'
  return limit === null ? 'below the first rate' : `${countText(limit)} readings a second: ${why}`
}

function recoveryText(seconds: number | null, by: 'accepted' | 'lag' | null): string {
  if (seconds !== null) return `lag was as before ${seconds} s after the return to the first rate`
  return by === null ? 'nothing to recover from' : 'lag did not come back to what it was'
}

function timesOrNone(times: Quantiles | null, none: string): string {
  return times === null ? none : timesText(times)
}

function timesText({ p50, p99, max }: Quantiles): string {
  return `p50 ${timeText(p50)} ms, p99 ${timeText(p99)} ms, max ${timeText(max)} ms`
}

function timeText(ms: number | undefined): string {
  return ms === undefined ? '–' : String(ms >= 100 ? Math.round(ms) : Number(ms.toPrecision(3)))
}
