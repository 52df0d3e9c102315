/** What is seen of a source while it runs. */
export interface SourceState {
  /** `running`: it takes in what comes; `standby`: another node does; `waiting`: for `problem` to pass, or to begin. */
  readonly status: 'running' | 'standby' | 'waiting'
  readonly problem: { readonly code: string | null; readonly message: string; readonly remedy: string | null } | null
  /** Records that it wrote, to the log or as a sink out of it, since its start, in this process. */
  readonly records: number
  /** What it could not make a record of, and put aside. */
  readonly rejected: number
  /** When it wrote the last record, ms since 1970; null: none yet. */
  readonly newestAt: number | null
  /** Age of the oldest thing that waits to be taken in, ms; 0: nothing waits; null: it is not known. */
  readonly oldestAgeMs: number | null
  /** Of a sink: records that it has not written yet; null: it is not known, or another node writes them. */
  readonly lag?: number | null
}

/** A source of an application that runs. */
export interface SourceView {
  readonly name: string
  state(): SourceState
}
