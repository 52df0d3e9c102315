import type { Writable } from 'node:stream'
import { inspect } from 'node:util'
import type { Failure } from './failure.ts'
import { type Column, plain, textTable } from './text-table.ts'

export type OutputStream = Writable & { isTTY?: boolean; columns?: number }

const DEFAULT_WIDTH = 100
type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Tables and sentences for people; JSON, one value a line, for programs: with --json, or when stdout is no terminal. */
export class Output {
  readonly json: boolean
  readonly #stdout: OutputStream
  readonly #stderr: OutputStream
  readonly #color: boolean
  readonly #errorJson: boolean

  constructor(stdout: OutputStream, stderr: OutputStream, env: NodeJS.ProcessEnv, json: boolean) {
    this.#stdout = stdout
    this.#stderr = stderr
    this.json = json || stdout.isTTY !== true
    this.#errorJson = json
    this.#color = stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  }

  /** Rows: a table, or a line of JSON each. `nothing` is told to people when there is none. */
  rows<R>(columns: readonly Column<R>[], rows: readonly R[], nothing: string): void {
    if (this.json) {
      for (const row of rows) this.value(row)
    } else if (rows.length === 0) {
      this.note(nothing)
    } else {
      const width = this.#stdout.columns ?? DEFAULT_WIDTH
      this.text(textTable(columns, rows, width, header => this.style('dim', header)).trimEnd())
    }
  }

  /** One thing with its properties, a line each, or as one line of JSON. */
  properties(thing: object, shown: Readonly<Record<string, unknown>> = { ...thing }): void {
    if (this.json) {
      this.value(thing)
      return
    }
    const width = Math.max(...Object.keys(shown).map(name => name.length))
    for (const [name, value] of Object.entries(shown)) {
      this.text(`${this.style('dim', name.padEnd(width))}  ${this.pretty(value)}`)
    }
  }

  /** One line of JSON. */
  value(value: unknown): void {
    this.#stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** A line for people or for both. */
  text(line: string): void {
    this.#stdout.write(`${line}\n`)
  }

  /** A line beside the output: on stderr. */
  note(line: string): void {
    this.#stderr.write(`${line}\n`)
  }

  /** A line that the next one replaces, on a terminal only. An empty one ends it. */
  progress(line: string): void {
    if (this.#stderr.isTTY === true) this.#stderr.write(line === '' ? '\r\u001b[K' : `\r\u001b[K${line}`)
  }

  failure({ code, message, remedy, details }: Failure, stack: string | undefined): void {
    if (this.#errorJson) {
      const shown = stack === undefined ? {} : { stack }
      this.#stderr.write(`${JSON.stringify({ error: { ...details, code, message, remedy, ...shown } })}\n`)
      return
    }
    this.#stderr.write(`aldebaran: ${plain(message)}\n  ${plain(remedy)} (${plain(code)})\n`)
    if (stack !== undefined) this.#stderr.write(`${stack}\n`)
  }

  style(style: Style, text: string): string {
    if (!this.#color) return text
    const [on, off] = inspect.colors[style]!
    return `\u001b[${on}m${text}\u001b[${off}m`
  }

  /** A value on one line, in colour where there is some; nothing in it can command the terminal. */
  pretty(value: unknown): string {
    if (typeof value !== 'object' || value === null) return plain(value)
    const fields = Object.entries(value).map(([name, one]) => {
      const text = typeof one === 'string' ? JSON.stringify(one) : plain(one)
      return `${this.style('cyan', plain(name))} ${plain(text)}`
    })
    return fields.length === 0 ? plain(value) : Array.isArray(value) ? plain(value) : fields.join('  ')
  }
}
