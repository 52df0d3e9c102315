import type { RecordView } from '../http/record-view.ts'
import type { Output } from './output.ts'

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const

export function sizeText(bytes: number): string {
  let unit = 0
  let rest = bytes
  while (rest >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024
    unit++
  }
  return `${unit === 0 ? rest : rest.toFixed(rest < 10 ? 1 : 0)} ${UNITS[unit]}`
}

/** With the thousands apart, in every locale alike. */
export function countText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A duration in its largest whole unit. */
export function durationText(ms: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const) {
    if (ms >= size && ms % size === 0) return `${ms / size} ${unit}`
  }
  return `${ms} ms`
}

/** Milliseconds since 1970, in UTC, so that it can be compared with logs of other machines. */
export function timeText(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString().replace('T', ' ')
}

/** Tasks by part, runs of partitions together: 'audit/0-3 intake/0 intake/2'. They come in order. */
export function taskText(tasks: readonly string[]): string {
  const runs: { part: string; first: number; last: number }[] = []
  for (const task of tasks) {
    const [part = '', text = ''] = task.split('/')
    const partition = Number(text)
    const run = runs.at(-1)
    if (run?.part === part && run.last === partition - 1) run.last = partition
    else runs.push({ part, first: partition, last: partition })
  }
  const texts = runs.map(({ part, first, last }) => `${part}/${first === last ? first : `${first}-${last}`}`)
  return texts.length === 0 ? 'none' : texts.join(' ')
}

/** A record as one line. */
export function printRecord(out: Output, record: RecordView): void {
  if (out.json) {
    out.value(record)
    return
  }
  const { partition, offset, timestamp, key, value, keyBase64, valueBase64, valueError } = record
  const place = out.style('dim', `${timeText(timestamp)} ${partition}:${offset}`)
  const undecodable = `${out.style('red', valueError?.code ?? 'VALUE_UNDECODABLE')} base64:${valueBase64}`
  const shownKey = keyBase64 === undefined ? out.pretty(key) : `base64:${keyBase64}`
  const shownValue = valueBase64 === undefined ? out.pretty(value) : undecodable
  out.text(`${place}  ${out.style('bold', shownKey)}  ${shownValue}`)
}
