/** What a load test tells people: a line a second, and what it came to. */
import type { ConstantReport } from './constant.ts'
import type { Quantiles } from './histogram.ts'
import type { Second } from './meter.ts'
import type { RampReport } from './ramp.ts'

export interface LoadViewSettings {
  /** The seconds are lines of a table, for a terminal; otherwise each line names its figures, for a file. */
  isTable: boolean
  /** How counts are written. */
  countText: CountText
}

type CountText = (count: number) => string

interface Column {
  header: string
  width: number
  cell: (second: Second, countText: CountText) => string
}

const COLUMNS: readonly Column[] = [
  { header: 'SECOND', width: 6, cell: one => String(one.second) },
  { header: 'RATE', width: 9, cell: (one, countText) => countText(one.rate) },
  { header: 'ACCEPTED', width: 9, cell: (one, countText) => countText(one.accepted) },
  { header: 'REFUSED', width: 8, cell: (one, countText) => countText(one.refused) },
  { header: 'WAITING', width: 9, cell: (one, countText) => countText(one.behind) },
  { header: 'P50 ms', width: 8, cell: one => timeText(one.ingestMs?.p50) },
  { header: 'P99 ms', width: 8, cell: one => timeText(one.ingestMs?.p99) },
  { header: 'MAX ms', width: 8, cell: one => timeText(one.ingestMs?.max) },
  { header: 'LAG', width: 9, cell: (one, countText) => (one.lag === null ? '–' : countText(one.lag)) },
  { header: 'FORECASTS', width: 9, cell: (one, countText) => countText(one.forecasts) },
  { header: 'P99 ms', width: 8, cell: one => timeText(one.forecastMs?.p99) },
]
/** The header of a table comes again after so many lines. */
const HEADER_EACH = 20
/** From here on the sender itself may be what limits. */
const BUSY = 0.9

export class LoadView {
  readonly #isTable: boolean
  readonly #countText: CountText
  #lines = 0

  constructor({ isTable, countText }: LoadViewSettings) {
    this.#isTable = isTable
    this.#countText = countText
  }

  /** The lines of the next second: one, or two where the header of the table comes first. */
  linesOf(second: Second): string[] {
    if (!this.#isTable) return [this.#sentenceOf(second)]
    const row = COLUMNS.map(({ width, cell }) => cell(second, this.#countText).padStart(width)).join(' ')
    if (this.#lines++ % HEADER_EACH !== 0) return [row]
    return [COLUMNS.map(({ header, width }) => header.padStart(width)).join(' '), row]
  }

  /** A report by the names that people read. */
  summaryOf(report: ConstantReport | RampReport): Record<string, string> {
    const countText = this.#countText
    const { refused, refusals, lost, outstanding, notSent, inDoubt } = report
    const codes = Object.entries(refusals).map(([code, count]) => `${code} ${countText(count)}`)
    return {
      ...('limit' in report && { limit: this.#limitText(report), recovery: recoveryText(report) }),
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

  #sentenceOf(second: Second): string {
    const countText = this.#countText
    const { rate, accepted, refused, behind, ingestMs, lag, forecasts, forecastMs } = second
    const taken = `${countText(accepted)} accepted of ${countText(rate)} a second, ${countText(refused)} refused`
    const waits = `${countText(behind)} waiting, lag ${lag === null ? 'not known' : countText(lag)}`
    const told = `${countText(forecasts)} forecasts${forecastMs === null ? '' : ` (${timesText(forecastMs)})`}`
    return `${second.second} s: ${taken}, ${waits}, ${timesOrNone(ingestMs, 'none accepted')}, ${told}`
  }

  #limitText({ limit, limitedBy }: RampReport): string {
    const kept = limit === null ? null : `${this.#countText(limit)} readings a second`
    if (limitedBy === null) return `not found${kept === null ? '' : `: ${kept} were kept`}`
    const why = limitedBy === 'lag' ? 'beyond it the pipeline falls behind' : 'beyond it less is accepted than is sent'
    return kept === null ? 'below the first rate' : `${kept}: ${why}`
  }
}

function recoveryText({ recoverySeconds, limitedBy }: RampReport): string {
  if (recoverySeconds !== null) return `lag was as before ${recoverySeconds} s after the return to the first rate`
  return limitedBy === null ? 'nothing to recover from' : 'lag did not come back to what it was'
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
