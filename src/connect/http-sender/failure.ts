/** What a failed connection says of its request. */
import { AldebaranError, messageOf } from '../../errors.ts'
import type { FailureReason, PostFailure } from './post.ts'

/** The reason of what we end ourselves. */
export const OVER = new Error('the request is over')

const OF_TLS = /^(?:ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_|INVALID_CA|EPROTO)/
const OF_NAMES = /^(?:ENOTFOUND|ENODATA|ESERVFAIL|EREFUSED|ENONAME|EBADNAME|EBADRESP|ECANCELLED|EAI_|ETIMEOUT$)/

export function failureOf(error: Error, isSent: boolean): PostFailure {
  if (error instanceof AldebaranError && error.code === 'ADDRESS_REFUSED') {
    return { stage: 'refused', reason: 'address', message: error.message }
  }
  const code = codeOf(error)
  if (!isSent) {
    if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
      return { stage: 'refused', reason: 'header', message: messageOf(error) }
    }
    return { stage: 'unsent', reason: beforeSending(code), message: describe(error, code) }
  }
  const isProtocol =
    code.startsWith('HPE_') || code.startsWith('UND_ERR_H') || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
  return { stage: 'sent', reason: isProtocol ? 'protocol' : 'reset', message: describe(error, code) }
}

function beforeSending(code: string): FailureReason {
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return 'timeout'
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return 'closed'
  if (OF_NAMES.test(code)) return 'names'
  return OF_TLS.test(code) ? 'tls' : 'connect'
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

function describe(error: Error, code: string): string {
  // Several addresses were tried: the sum says nothing, its parts do.
  const first = error instanceof AggregateError ? error.errors[0] : error
  const message = messageOf(first).slice(0, 300).replaceAll(/\s+/g, ' ').trim()
  return code === '' || message.includes(code) ? message : `${code}: ${message}`
}
