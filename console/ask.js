// @ts-check
// A question in a dialog, with fields to fill in.
import { byId, html, setText } from './element.js'

/**
 * @typedef {{ name: string, label: string, value?: string, placeholder?: string, type?: 'text' | 'number' | 'long' }} Field `long`: as many lines as it takes
 */

/**
 * What was filled in; null: it was cancelled.
 * @param {{ title: string, text: string, confirm: string, fields?: readonly Field[] }} question
 * @returns {Promise<Record<string, string> | null>}
 */
export function ask({ title, text, confirm, fields = [] }) {
  const dialog = byId('ask-dialog', HTMLDialogElement)
  const from = document.activeElement
  setText(byId('ask-title', HTMLElement), title)
  setText(byId('ask-text', HTMLElement), text)
  setText(byId('ask-confirm', HTMLButtonElement), confirm)
  const inputs = fields.map(({ name, value = '', placeholder = '', type = 'text' }) =>
    type === 'long'
      ? html('textarea', { name, rows: 12, spellcheck: 'false' }, value)
      : html('input', { name, value, placeholder, type, min: type === 'number' ? 1 : null, autocomplete: 'off' }),
  )
  byId('ask-fields', HTMLElement).replaceChildren(
    ...fields.map(({ label }, i) => html('label', { class: 'field wide' }, html('span', {}, label), inputs[i])),
  )
  const cancel = byId('ask-cancel', HTMLButtonElement)
  cancel.onclick = () => dialog.close('no')
  dialog.returnValue = ''
  dialog.showModal()
  // What destroys nothing has the focus.
  ;(inputs[0] ?? cancel).focus()
  return new Promise(resolve => {
    const closed = () => {
      if (from instanceof HTMLElement && from.isConnected) from.focus()
      if (dialog.returnValue !== 'yes') return resolve(null)
      resolve(
        Object.fromEntries(
          inputs.map(input => [input.name, input instanceof HTMLInputElement ? input.value.trim() : input.value]),
        ),
      )
    }
    dialog.addEventListener('close', closed, { once: true })
  })
}
