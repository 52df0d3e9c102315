/** Why a thread of the log ended: the message to the thread that started it. */
import { AldebaranError, ERROR_CODES, type ErrorCode, messageOf } from '../errors.ts'

export interface ThreadFailure {
  kind: 'failed'
  /** null: the error was none of ours. */
  code: string | null
  message: string
  details: Record<string, string | number | boolean | null>
}

export function failureOf(error: unknown): ThreadFailure {
  return error instanceof AldebaranError
    ? { kind: 'failed', code: error.code, message: error.message, details: { ...error.details } }
    : { kind: 'failed', code: null, message: messageOf(error), details: {} }
}

/** The error as it was thrown; null: it was none of ours. */
export function errorOf({ code, message, details }: ThreadFailure): AldebaranError | null {
  return code !== null && code in ERROR_CODES ? new AldebaranError(code as ErrorCode, message, details) : null
}
