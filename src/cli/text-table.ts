import { stripVTControlCharacters } from 'node:util'

export interface Column<R> {
  readonly header: string
  readonly cell: (row: R) => unknown
  /** Numbers stand at the right. Default left. */
  readonly right?: boolean
  /** May be cut when the terminal is too narrow. */
  readonly flexible?: boolean
}

const GAP = '  '
const NARROWEST = 12
/** Of a table that no cut makes fit: its lines break anyway, and what is cut off would be lost for nothing. */
const READABLE = 60
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/**
 * Rows as aligned text, without a border, so that it can be selected and pasted.
 * @param width of the terminal; cells of flexible columns are cut to fit
 * @param emphasise what the header line is made with
 */
export function textTable<R>(
  columns: readonly Column<R>[],
  rows: readonly R[],
  width: number,
  emphasise: (text: string) => string,
): string {
  const cells = rows.map(row => columns.map(column => plain(column.cell(row))))
  const widths = columns.map((column, i) => Math.max(widthOf(column.header), ...cells.map(row => widthOf(row[i]!))))
  shrink(columns, widths, width)
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => fit(text, widths[i]!, columns[i]!.right === true))
      .join(GAP)
      .trimEnd()
  return [emphasise(line(columns.map(column => column.header))), ...cells.map(line)].map(text => `${text}\n`).join('')
}

/** What a cell shows. Control characters are shown as a dot: a record must not command the terminal. */
export function plain(value: unknown): string {
  if (value === null || value === undefined) return '–'
  const text = typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value)
  return stripVTControlCharacters(text).replace(CONTROL, '·')
}

/** Columns of a terminal that a text takes. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += /\p{M}|\u200d|\ufe0f/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}

function shrink<R>(columns: readonly Column<R>[], widths: number[], width: number): void {
  const gaps = GAP.length * (widths.length - 1)
  const least = widths.map((one, i) => (columns[i]!.flexible ? Math.min(one, NARROWEST) : one))
  if (least.reduce((sum, one) => sum + one, gaps) > width) {
    for (const [i, column] of columns.entries()) if (column.flexible) widths[i] = Math.min(widths[i]!, READABLE)
    return
  }
  let excess = widths.reduce((sum, one) => sum + one, gaps) - width
  while (excess > 0) {
    let widest = -1
    for (const [i, column] of columns.entries()) {
      if (column.flexible && widths[i]! > NARROWEST && (widest < 0 || widths[i]! > widths[widest]!)) widest = i
    }
    const cut = Math.min(excess, widths[widest]! - NARROWEST)
    widths[widest] = widths[widest]! - cut
    excess -= cut
  }
}

function fit(text: string, width: number, right: boolean): string {
  const own = widthOf(text)
  if (own <= width) return right ? ' '.repeat(width - own) + text : text + ' '.repeat(width - own)
  let kept = ''
  let used = 1
  for (const character of text) {
    used += widthOf(character)
    if (used > width) break
    kept += character
  }
  return fit(`${kept}…`, width, right)
}
