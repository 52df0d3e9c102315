import type { FastifyRequest } from 'fastify'
import { AldebaranError } from '../errors.ts'
import { BODY_TYPES, parseBody } from './body.ts'

/**
 * The body of a request that has to be JSON. `wanted`: what one without a body is told.
 * @throws AldebaranError BODY_INVALID, CONTENT_TYPE_UNKNOWN
 */
export function jsonBody({ body, headers }: FastifyRequest, wanted = ''): unknown {
  if (!Buffer.isBuffer(body)) throw new AldebaranError('BODY_INVALID', `there is no body${wanted && `: ${wanted}`}`)
  if (!(headers['content-type'] ?? '').toLowerCase().startsWith(BODY_TYPES.json)) {
    throw new AldebaranError('CONTENT_TYPE_UNKNOWN', `the body is ${BODY_TYPES.json} here`)
  }
  return parseBody(body)
}
