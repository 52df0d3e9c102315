import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AldebaranError } from 'aldebaran'
import { chartOf } from './chart.ts'
import type { Comparison } from './compare.ts'

const NAME = 'heat-index-comparison'
/** Pixels for each unit of the drawing. */
const SCALE = 2

/**
 * Draws the times as `heat-index-comparison.svg` and `.png`. The letters of the PNG are those of this machine's fonts: without
 * any, it has only the bars.
 * @param folder is made when it is not there
 * @returns the paths of the files
 * @throws AldebaranError PACKAGE_MISSING
 */
export async function writeCharts(comparisons: readonly Comparison[], folder: string): Promise<string[]> {
  const drawing = chartOf(comparisons)
  mkdirSync(folder, { recursive: true })
  const [svg, png] = [join(folder, `${NAME}.svg`), join(folder, `${NAME}.png`)]
  writeFileSync(svg, drawing)
  writeFileSync(png, await rendered(drawing))
  return [svg, png]
}

async function rendered(drawing: string): Promise<Uint8Array> {
  let loaded: typeof import('@resvg/resvg-js')
  try {
    loaded = await import('@resvg/resvg-js')
  } catch {
    const message = 'The chart as PNG needs @resvg/resvg-js 2: npm install @resvg/resvg-js@2'
    throw new AldebaranError('PACKAGE_MISSING', message, { package: '@resvg/resvg-js' })
  }
  return new loaded.Resvg(drawing, { fitTo: { mode: 'zoom', value: SCALE } }).render().asPng()
}
