/**
 * A line that cannot be taken, as the parts of the batch tell it to each other. Loading `aldebaran` takes longer than the
 * whole of a small file, so only a failure does it: `run.ts` makes an AldebaranError of this.
 */
export class LineProblem extends Error {
  /** From 1, the header's. */
  readonly line: number
  /** Null: the row as a whole. */
  readonly column: string | null

  constructor(line: number, column: string | null, reason: string) {
    super(`line ${line}${column === null ? '' : `, ${column}`}: ${reason}`)
    this.line = line
    this.column = column
  }
}
