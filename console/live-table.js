// @ts-check
// A table that is brought up to date in place: what did not change stays, with the focus and the selection in it.
import { html, setText } from './element.js'

/** @typedef {import('./element.js').Child} Child */

/**
 * A cell is text, or it is made anew when its `mark` changed.
 * @template R
 * @typedef {{ header: string, right?: boolean, style?: 'wrap' | 'state', text: (row: R) => string }
 *   | { header: string, right?: boolean, style?: 'wrap' | 'state', mark: (row: R) => string, make: (row: R) => Child }} Column
 */

/** @template R */
export class LiveTable {
  #target
  #columns
  #keyOf
  #empty = html('p', { class: 'empty' })
  #table
  #body = html('tbody')
  /** @type {Map<string, { line: HTMLTableRowElement, cells: HTMLTableCellElement[], marks: string[] }>} */
  #lines = new Map()

  /**
   * @param {HTMLElement} target
   * @param {{ label: string, columns: readonly Column<R>[], keyOf: (row: R) => string }} settings
   */
  constructor(target, { label, columns, keyOf }) {
    this.#target = target
    this.#columns = columns
    this.#keyOf = keyOf
    const head = columns.map(({ header, right }) =>
      html(
        'th',
        { scope: 'col', class: right ? 'number' : null },
        header === '' ? html('span', { class: 'hidden' }, 'Actions') : header,
      ),
    )
    this.#table = html('table', { 'aria-label': label }, html('thead', {}, html('tr', {}, ...head)), this.#body)
  }

  /**
   * @param {readonly R[]} rows
   * @param {string} nothing told when there is no row
   */
  update(rows, nothing) {
    if (rows.length === 0) setText(this.#empty, nothing)
    const shown = rows.length === 0 ? this.#empty : this.#table
    if (this.#target.firstChild !== shown) this.#target.replaceChildren(shown)
    const keys = new Set(rows.map(row => this.#keyOf(row)))
    for (const [key, { line }] of this.#lines) {
      if (keys.has(key)) continue
      line.remove()
      this.#lines.delete(key)
    }
    for (const [at, row] of rows.entries()) {
      const line = this.#line(row)
      if (this.#body.children[at] !== line) this.#body.insertBefore(line, this.#body.children[at] ?? null)
    }
  }

  /** @param {R} row */
  #line(row) {
    const key = this.#keyOf(row)
    let known = this.#lines.get(key)
    if (known === undefined) {
      const cells = this.#columns.map(({ right, style }) => html('td', { class: right ? 'number' : (style ?? null) }))
      known = { line: html('tr', {}, ...cells), cells, marks: [] }
      this.#lines.set(key, known)
    }
    for (const [i, column] of this.#columns.entries()) {
      const cell = /** @type {HTMLTableCellElement} */ (known.cells[i])
      const mark = 'text' in column ? column.text(row) : column.mark(row)
      if (known.marks[i] === mark) continue
      known.marks[i] = mark
      if ('text' in column) cell.textContent = mark
      else fill(cell, column.make(row))
    }
    return known.line
  }
}

/**
 * A focus within the cell goes to what is at the same place afterwards.
 * @param {HTMLElement} cell
 * @param {Child} content
 */
function fill(cell, content) {
  const before = [...cell.querySelectorAll('button, a')].indexOf(/** @type {Element} */ (document.activeElement))
  cell.replaceChildren(...(content === null || content === undefined ? [] : [content]).map(asNode))
  if (before < 0) return
  const after = cell.querySelectorAll('button, a')
  const next = after[Math.min(before, after.length - 1)]
  if (next instanceof HTMLElement) next.focus()
}

/** @param {string | number | Node} content */
function asNode(content) {
  return content instanceof Node ? content : String(content)
}
