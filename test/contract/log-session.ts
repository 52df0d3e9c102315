/** What an engine gives to the conformance suite, and what the suite gives to its parts. */
import type { Log } from '../../src/log/contract.ts'

export interface LogSession {
  /** A further client of the same log. */
  client(): Log
  /** Closes everything and opens the same data again. */
  reopen(): Promise<LogSession>
  /** Closes everything and removes the data. */
  end(): Promise<void>
  /** Does what the log does now and then by itself, where nothing else makes it. */
  maintain?(): void
}

export interface LogDriver {
  name: string
  /** A server holds the log: readers read ahead, what is trimmed is deleted later, and batches carry its marks. */
  remote?: boolean
  open(): Promise<LogSession>
}

export interface LogSuite {
  readonly driver: LogDriver
  /** A test with a log of its own. */
  readonly test: (name: string, body: (log: Log, session: LogSession) => Promise<void>) => void
}
