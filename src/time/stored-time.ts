/**
 * What is kept of event time with a position, as text: `NEWEST`, or `NEWEST;WATERMARK` where the task has event timers, or
 * `NEWEST;WATERMARK;FIRST,SECOND,…` for a topic that other tasks write, each with its watermark, and `~` behind it while
 * that task has nothing to read. Times are ms since 1970, those of the writers to the base 36; an empty text is a time not
 * known yet. Writers whose times would take too much room are left out: they tell them again.
 */

export interface StoredTime {
  /** Newest timestamp seen. */
  readonly newest: number
  /** Up to where the event timers of the task have run. */
  readonly watermark: number
  /** Of the tasks that write the topic, by their partition. */
  readonly writers: readonly WriterTime[]
}

export interface WriterTime {
  readonly watermark: number
  readonly isIdle: boolean
}

const NONE = Number.NEGATIVE_INFINITY
const IDLE = '~'
/** A position has room for 4096 bytes beside its offset, on Kafka too. */
const MAX_BYTES = 4000

export function parseStoredTime(text: string): StoredTime {
  const [newest = '', watermark = '', writers = ''] = text.split(';')
  return {
    newest: parseTime(newest),
    watermark: parseTime(watermark),
    writers: writers === '' ? [] : writers.split(',').map(parseWriterTime),
  }
}

export function formatStoredTime({ newest, watermark, writers }: StoredTime): string {
  const own =
    watermark === NONE && writers.length === 0 ? formatTime(newest) : `${formatTime(newest)};${formatTime(watermark)}`
  if (writers.length === 0) return own
  const all = `${own};${writers.map(formatWriterTime).join(',')}`
  return all.length > MAX_BYTES ? own : all
}

export function parseWriterTime(text: string): WriterTime {
  const isIdle = text.endsWith(IDLE)
  const digits = isIdle ? text.slice(0, -1) : text
  const watermark = digits === '' ? NONE : Number.parseInt(digits, 36)
  return { watermark: Number.isFinite(watermark) ? watermark : NONE, isIdle }
}

export function formatWriterTime({ watermark, isIdle }: WriterTime): string {
  return (watermark === NONE ? '' : watermark.toString(36)) + (isIdle ? IDLE : '')
}

function parseTime(text: string): number {
  const time = text === '' ? NONE : Number(text)
  return Number.isFinite(time) ? time : NONE
}

function formatTime(time: number): string {
  return Number.isFinite(time) ? String(time) : ''
}
