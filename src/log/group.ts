/** What the engine is handed: units with where they come from. */
import { AldebaranError } from '../errors.ts'
import type { CommitUnit } from './contract.ts'

/**
 * A client as the engine sees it. A unit carries the number of failures its client had been told when it submitted;
 * when there have been more since, the unit was built on something that did not happen, and fails with LOG_STOPPED.
 */
export interface UnitSource {
  failures: number
}

export interface GroupUnit {
  readonly unit: CommitUnit
  readonly source: UnitSource
  /** Failures that the client had been told when it submitted this unit. */
  readonly told: number
  /** Set by the engine. */
  error: AldebaranError | null
  offsets: number[]
}

export function groupUnit(unit: CommitUnit, source: UnitSource, told: number): GroupUnit {
  return { unit, source, told, error: null, offsets: [] }
}

/** Fails the unit, and with it what its client submitted after it. */
export function fail(entry: GroupUnit, error: AldebaranError): void {
  entry.error = error
  entry.source.failures++
}

/** True when an earlier unit of its client failed; the unit fails with it. */
export function followsFailure(entry: GroupUnit): boolean {
  if (entry.told === entry.source.failures) return false
  entry.error = new AldebaranError('LOG_STOPPED', 'An earlier unit of this client failed, so this one was not tried')
  return true
}
