/** Cuts input into the texts of its records, without understanding them: what they mean is for the server to say. */
import { AldebaranError } from '../errors.ts'

/** One record of the input. */
export interface InputRecord {
  text: string
  /** Where it begins, from 1. */
  line: number
}

/** The lines of an NDJSON text, without blank ones. */
export function* ndjsonRecords(text: string): Generator<InputRecord> {
  let line = 0
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    line++
    const one = text.slice(start, end).trim()
    if (one !== '') yield { text: one, line }
    start = end + 1
  }
}

/** The elements of a JSON array, or the one value there is, each on one line and otherwise as it is written. */
export function* jsonRecords(text: string): Generator<InputRecord> {
  const first = text.search(/\S/)
  if (first < 0) return
  if (text[first] !== '[') {
    yield { text: onOneLine(text), line: lineAt(text, 0, first, 1) }
    return
  }
  let depth = 0
  let inString = false
  let start = first + 1
  let line = 1
  let counted = 0
  for (let i = first; i < text.length; i++) {
    const character = text[i]!
    if (inString) {
      if (character === '\\') i++
      else if (character === '"') inString = false
      continue
    }
    if (character === '"') inString = true
    else if (character === '[' || character === '{') depth++
    else if (character === ']' || character === '}') depth--
    const ends = (depth === 1 && character === ',') || depth === 0
    if (!ends) continue
    const element = text.slice(start, i)
    const begin = start + element.search(/\S|$/)
    line = lineAt(text, counted, begin, line)
    counted = begin
    if (element.trim() !== '') yield { text: onOneLine(element), line }
    else if (character === ',') throw badInput('an element is missing', line)
    if (depth === 0) {
      if (text.slice(i + 1).trim() !== '') throw badInput('something follows the end of the array', line)
      return
    }
    start = i + 1
  }
  throw badInput('the array does not end', line)
}

/** The rows of a CSV text; `header` is its first one. A row may hold line ends within quotes. */
export function csvRecords(text: string): { header: string; rows: Generator<InputRecord> } {
  const rows = csvRows(text)
  const header = rows.next()
  return { header: header.done === true ? '' : header.value.text, rows }
}

function* csvRows(text: string): Generator<InputRecord> {
  let line = 1
  let start = 0
  let begin = 1
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted
    if (text[i] !== '\n') continue
    line++
    if (quoted) continue
    const row = text.slice(start, i).replace(/\r$/, '')
    if (row !== '') yield { text: row, line: begin }
    start = i + 1
    begin = line
  }
  const last = text.slice(start).replace(/\r$/, '')
  if (last !== '') yield { text: last, line: begin }
}

/** A line end within JSON stands between its parts only: a string cannot hold one. */
function onOneLine(json: string): string {
  return json.trim().replace(/[\r\n]+/g, ' ')
}

function lineAt(text: string, from: number, to: number, line: number): number {
  let count = line
  for (let i = text.indexOf('\n', from); i >= 0 && i < to; i = text.indexOf('\n', i + 1)) count++
  return count
}

function badInput(reason: string, line: number): AldebaranError {
  return new AldebaranError('BODY_INVALID', `line ${line}: ${reason}`, { line })
}
