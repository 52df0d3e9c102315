/** A run as curves over its seconds: rate, latency, lag. */
import { FONT, COLOURS as PLAIN, round, text } from '../compare/chart.ts'
import type { Second } from './meter.ts'

/** A line across all panels, where something began. */
export interface Mark {
  second: number
  label: string
}

interface Curve {
  name: string
  colour: string
  /** Of each second; null leaves a gap. */
  values: readonly (number | null)[]
}

interface Panel {
  title: string
  curves: readonly Curve[]
}

const WIDTH = 960
const LEFT = 84
const RIGHT = 24
const TOP = 64
const PANEL = 190
const GAP = 62
const LINES = 4
const COLOURS = ['#1f6f8b', '#b4572e', '#5b7f2b', '#7a4f9e']

export function chartOfRun(title: string, seconds: readonly Second[], marks: readonly Mark[] = []): string {
  const panels: Panel[] = [
    {
      title: 'Readings a second',
      curves: [
        { name: 'asked for', colour: COLOURS[1]!, values: seconds.map(one => one.rate) },
        { name: 'accepted', colour: COLOURS[0]!, values: seconds.map(one => one.accepted) },
      ],
    },
    {
      title: 'Until a reading is acknowledged, ms',
      curves: [
        { name: 'p50', colour: COLOURS[0]!, values: seconds.map(one => one.ingestMs?.p50 ?? null) },
        { name: 'p99', colour: COLOURS[1]!, values: seconds.map(one => one.ingestMs?.p99 ?? null) },
      ],
    },
    {
      title: 'From the end of a window to its forecast, ms',
      curves: [
        { name: 'p50', colour: COLOURS[0]!, values: seconds.map(one => one.forecastMs?.p50 ?? null) },
        { name: 'p99', colour: COLOURS[1]!, values: seconds.map(one => one.forecastMs?.p99 ?? null) },
      ],
    },
    {
      title: 'Readings that the pipeline has not processed, or that wait to be sent',
      curves: [
        { name: 'lag', colour: COLOURS[2]!, values: seconds.map(one => one.lag) },
        { name: 'waiting', colour: COLOURS[3]!, values: seconds.map(one => one.behind) },
      ],
    },
  ]
  const height = TOP + panels.length * (PANEL + GAP)
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ${FONT}>`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(LEFT, 32, escaped(title), 18, 'start', 'bold'),
    ...panels.flatMap((panel, i) => panelOf(panel, TOP + 30 + i * (PANEL + GAP), seconds.length, marks)),
    '</svg>',
  ].join('\n')}\n`
}

function panelOf({ title, curves }: Panel, top: number, length: number, marks: readonly Mark[]): string[] {
  const floor = top + PANEL
  const highest = ceilingOf(Math.max(1, ...curves.flatMap(({ values }) => values.map(value => value ?? 0))))
  const x = (second: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * (second - 1)) / Math.max(1, length - 1)
  const y = (value: number): number => floor - (PANEL * value) / highest
  const parts = [text(LEFT, top - 12, title, 14, 'start', 'bold')]
  for (let i = 0; i <= LINES; i++) {
    const value = (highest * i) / LINES
    parts.push(line(LEFT, y(value), WIDTH - RIGHT, y(value), PLAIN.line))
    parts.push(text(LEFT - 8, y(value) + 4, numberText(value), 12, 'end'))
  }
  for (const second of ticksOf(length)) parts.push(text(x(second), floor + 18, `${second} s`, 12, 'middle'))
  if (curves.every(({ values }) => values.every(value => value === null))) {
    parts.push(text((LEFT + WIDTH - RIGHT) / 2, (top + floor) / 2, 'not measured', 13, 'middle'))
  }
  for (const { second, label } of marks) {
    parts.push(line(x(second), top, x(second), floor, PLAIN.text, ' stroke-dasharray="3 3"'))
    parts.push(text(x(second) + 4, top + 12, escaped(label), 11, 'start'))
  }
  for (const [i, { name, colour, values }] of curves.entries()) {
    parts.push(`<path d="${pathOf(values, x, y)}" fill="none" stroke="${colour}" stroke-width="1.8"/>`)
    const left = WIDTH - RIGHT - 110 * (curves.length - i)
    parts.push(line(left, top - 16, left + 18, top - 16, colour, ' stroke-width="3"'))
    parts.push(text(left + 24, top - 12, name, 12, 'start'))
  }
  return parts
}

/** A second without a value interrupts it; one that stands alone is drawn as a dot. */
function pathOf(
  values: readonly (number | null)[],
  x: (second: number) => number,
  y: (value: number) => number,
): string {
  let path = ''
  let isDown = false
  for (const [i, value] of values.entries()) {
    if (value !== null) path += `${isDown ? 'L' : 'M'}${round(x(i + 1))} ${round(y(value))}${isDown ? '' : 'h.1'}`
    isDown = value !== null
  }
  return path
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, more = ''): string {
  return `<line x1="${round(x1)}" x2="${round(x2)}" y1="${round(y1)}" y2="${round(y2)}" stroke="${colour}"${more}/>`
}

/** The next of 1, 2, 4, 8 and their tenfold: a quarter of it is spelled short. */
function ceilingOf(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return (([1, 2, 4, 8].find(digit => digit * power >= value) ?? 10) as number) * power
}

function ticksOf(length: number): number[] {
  const step = Math.max(1, ceilingOf(length / 10))
  return Array.from({ length: Math.floor(length / step) }, (_, i) => (i + 1) * step)
}

function numberText(value: number): string {
  return String(Number(value.toPrecision(3))).replace(/\B(?=(\d{3})+$)/g, value >= 1000 ? ',' : '')
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
