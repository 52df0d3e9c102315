/** What went wrong with PostgreSQL, as an error of ours: whether it may pass by itself, and without any secret. */
import { AldebaranError } from '../../errors.ts'
import type { PostgresAddress } from './connection-url.ts'

/**
 * Conditions that pass: the connection, resources, shutdown and start, what was cancelled or timed out, deadlocks,
 * locks, a primary that became a standby. (PostgreSQL's documentation, appendix A)
 */
const PASSING = /^(?:08...|53...|57...|58...|40...|55P03|25006|25P0[2-5])$/
/** What OpenSSL and `pg` say of an encryption that will not come about by itself. */
const TLS_REFUSED = /CERT|does not support SSL|altnames|UNABLE_TO_|^ERR_TLS|^ERR_SSL/i
const SHORTEST_SECRET = 4

/** @returns POSTGRES_UNAVAILABLE for what may pass by itself, else POSTGRES_REFUSED; errors of ours as they are */
export function postgresError(
  error: unknown,
  { label, password }: Pick<PostgresAddress, 'label' | 'password'>,
): AldebaranError {
  if (error instanceof AldebaranError) return error
  const { message, code, routine } = told(error)
  const clean = (password?.length ?? 0) < SHORTEST_SECRET ? message : message.replaceAll(password!, '…')
  const isState = /^[0-9A-Z]{5}$/.test(code) && code !== 'EPIPE'
  const isRefused = isState ? !PASSING.test(code) : TLS_REFUSED.test(`${code} ${message}`)
  return new AldebaranError(
    isRefused ? 'POSTGRES_REFUSED' : 'POSTGRES_UNAVAILABLE',
    `PostgreSQL at ${label}: ${clean}`,
    { ...(code === '' ? {} : { state: code }), ...(routine === '' ? {} : { routine }) },
  )
}

/** Of several addresses of one name, that of the first. `routine`: where in PostgreSQL, which tells errors of one code apart. */
function told(error: unknown): { message: string; code: string; routine: string } {
  const one = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
  const { message, code, routine } = (one ?? {}) as Record<'message' | 'code' | 'routine', unknown>
  return {
    message: String(message ?? one),
    code: typeof code === 'string' ? code : '',
    routine: typeof routine === 'string' ? routine : '',
  }
}
