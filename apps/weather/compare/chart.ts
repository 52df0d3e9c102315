/** The times of a comparison as bars, on a logarithmic scale: they differ by orders of magnitude. */
import type { Comparison } from './compare.ts'

const WIDTH = 720
const HEIGHT = 420
const LEFT = 76
const RIGHT = 24
const TOP = 84
const BOTTOM = 64
const BAR = 52
export const COLOURS = { baseline: '#b4572e', optimised: '#1f6f8b', text: '#1c2526', line: '#d9dee0' }
export const FONT = 'font-family="Helvetica, Arial, DejaVu Sans, Liberation Sans, sans-serif"'

export function chartOf(comparisons: readonly Comparison[]): string {
  const times = comparisons.flatMap(one => [one.baselineMs, one.optimisedMs])
  const lowest = Math.floor(Math.log10(Math.min(...times)))
  const highest = Math.max(lowest + 1, Math.ceil(Math.log10(Math.max(...times))))
  const heightOf = (ms: number): number => ((Math.log10(ms) - lowest) / (highest - lowest)) * (HEIGHT - TOP - BOTTOM)
  const floor = HEIGHT - BOTTOM
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" ${FONT}>`,
    `<title>Rolling heat index: baseline and optimised</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 32, 'Rolling heat index, one day of one city: time per run', 18, 'start', 'bold'),
    ...legend(),
  ]
  for (let power = lowest; power <= highest; power++) {
    const y = floor - heightOf(10 ** power)
    parts.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y)}" y2="${round(y)}" stroke="${COLOURS.line}"/>`)
    parts.push(text(LEFT - 8, y + 4, timeOf(10 ** power), 12, 'end'))
  }
  const step = (WIDTH - LEFT - RIGHT) / comparisons.length
  for (const [i, one] of comparisons.entries()) {
    const middle = LEFT + step * (i + 0.5)
    parts.push(...bar(middle - BAR - 4, floor, heightOf(one.baselineMs), COLOURS.baseline, timeOf(one.baselineMs)))
    parts.push(...bar(middle + 4, floor, heightOf(one.optimisedMs), COLOURS.optimised, timeOf(one.optimisedMs)))
    parts.push(text(middle, floor + 22, `${one.size}: ${one.rows} rows`, 14, 'middle'))
    const results = one.equal ? '' : ', RESULTS DIFFER'
    parts.push(text(middle, floor + 42, `${one.saved.toFixed(2)} % saved${results}`, 13, 'middle', 'bold'))
  }
  return `${parts.join('\n')}\n</svg>\n`
}

function legend(): string[] {
  return [
    `<rect x="${LEFT}" y="46" width="12" height="12" fill="${COLOURS.baseline}"/>`,
    text(LEFT + 18, 57, 'baseline, row by row', 13, 'start'),
    `<rect x="${LEFT + 170}" y="46" width="12" height="12" fill="${COLOURS.optimised}"/>`,
    text(LEFT + 188, 57, 'optimised, one pass (scale is logarithmic)', 13, 'start'),
  ]
}

function bar(x: number, floor: number, height: number, colour: string, label: string): string[] {
  const tall = Math.max(1, height)
  return [
    `<rect x="${round(x)}" y="${round(floor - tall)}" width="${BAR}" height="${round(tall)}" fill="${colour}"/>`,
    text(x + BAR / 2, floor - tall - 6, label, 12, 'middle'),
  ]
}

export function text(x: number, y: number, content: string, size: number, anchor: string, weight = 'normal'): string {
  const where = `x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}" font-weight="${weight}"`
  return `<text ${where} fill="${COLOURS.text}">${content}</text>`
}

function timeOf(ms: number): string {
  if (ms >= 1) return `${Number(ms.toPrecision(3))} ms`
  return `${Number((ms * 1000).toPrecision(3))} µs`
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}
