// @ts-check
import { html, setText } from './element.js'

/**
 * A figure in a box: what it is called, its value, a note, and its tone.
 * @typedef {readonly [label: string, value: string, note: string, tone?: 'calm' | 'warn' | 'bad']} Figure
 */

/**
 * Shows figures in their boxes, which are made once: the labels stay.
 * @param {HTMLElement} target
 * @param {readonly Figure[]} figures
 */
export function showFigures(target, figures) {
  for (const [i, [label, value, note, tone]] of figures.entries()) {
    const box = /** @type {HTMLElement} */ (target.children[i] ?? target.appendChild(emptyBox(label)))
    if (tone !== undefined) box.dataset.tone = tone
    setText(/** @type {Node} */ (box.children[1]), value)
    setText(/** @type {Node} */ (box.children[2]), note)
  }
}

/** @param {string} label */
function emptyBox(label) {
  const value = html('dd', { class: 'value' })
  return html('div', { class: 'figure-box' }, html('dt', {}, label), value, html('dd', { class: 'note' }))
}
