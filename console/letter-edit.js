// @ts-check
// A dead letter's value as a text to be corrected, and what a replay is asked for with that text.
import { decoded } from './record-cells.js'

/**
 * @typedef {{ value: unknown, valueBase64?: string }} Stored as `/dead-letters/{offset}` tells it
 * @typedef {{ text: string, isBytes: boolean }} Draft
 * @typedef {import('./record-cells.js').Shape} Shape
 */

/**
 * Null: its bytes are no text.
 * @param {Stored} letter
 * @param {Pick<Shape, 'isBytes'>} shape of the values of its topic
 * @returns {Draft | null}
 */
export function draftOf({ value, valueBase64 }, { isBytes }) {
  // What could not be decoded is told as bytes, whatever the schema.
  const bytes = valueBase64 ?? (isBytes && typeof value === 'string' ? value : null)
  if (bytes === null) return { text: JSON.stringify(value, null, 2), isBytes: false }
  // A byte order mark stays, to be written back.
  const text = decoded(bytes, { ignoreBOM: true })
  return text === null ? null : { text, isBytes: true }
}

/**
 * @param {string} text
 * @param {boolean} isBytes
 * @returns {{ value: unknown } | { valueBase64: string }}
 * @throws {SyntaxError} it has to be JSON, and is not
 */
export function editOf(text, isBytes) {
  if (!isBytes) return { value: JSON.parse(text) }
  const characters = Array.from(new TextEncoder().encode(text), byte => String.fromCharCode(byte))
  return { valueBase64: btoa(characters.join('')) }
}
