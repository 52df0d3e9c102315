import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { AldebaranError, type ErrorCode, messageOf } from '../errors.ts'
import type { CompiledHttpSettings } from './settings.ts'

const STATUS: Partial<Record<ErrorCode, number>> = {
  VALUE_INVALID: 400,
  VALUE_UNDECODABLE: 400,
  BODY_INVALID: 400,
  OPTION_INVALID: 400,
  ADDRESS_REFUSED: 400,
  HEADER_INVALID: 400,
  SECRET_INVALID: 400,
  NOT_REPLAYABLE: 409,
  UNAUTHORIZED: 401,
  HOST_REFUSED: 403,
  TOPIC_INTERNAL: 403,
  NOT_FOUND: 404,
  TOPIC_UNKNOWN: 404,
  PARTITION_UNKNOWN: 404,
  TABLE_UNKNOWN: 404,
  OFFSET_OUT_OF_RANGE: 404,
  BODY_TOO_LARGE: 413,
  BATCH_TOO_LARGE: 413,
  CONTENT_TYPE_UNKNOWN: 415,
  LOG_CLOSED: 503,
  LOG_READ_ONLY: 503,
}

/** Seconds after which what failed for now may be tried again. */
const RETRY_SECONDS = 1

export function statusOf(error: AldebaranError): number {
  return STATUS[error.code] ?? (error.fate === 'retry' ? 503 : 500)
}

/** Any error as one of ours: what Fastify refuses by itself gets a code, anything unforeseen is INTERNAL. */
export function asAldebaranError(error: unknown, bodyLimit: number): AldebaranError {
  if (error instanceof AldebaranError) return error
  const { code, statusCode, validation } = error as Partial<FastifyError>
  if (validation !== undefined) {
    const allowed: unknown = validation[0]?.params.allowedValues
    const values = Array.isArray(allowed) ? `: ${allowed.join(', ')}` : ''
    return new AldebaranError('OPTION_INVALID', messageOf(error) + values)
  }
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new AldebaranError('BODY_TOO_LARGE', `the body has more than ${bodyLimit} bytes`, { bodyLimit })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return new AldebaranError('CONTENT_TYPE_UNKNOWN', 'the Content-Type is missing or not one that is taken')
    case 'FST_ERR_BAD_URL':
      return new AldebaranError('NOT_FOUND', 'the path is malformed')
    default:
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new AldebaranError('BODY_INVALID', messageOf(error))
  }
  return new AldebaranError('INTERNAL', 'the request failed', {}, error)
}

export function sendError(
  reply: FastifyReply,
  error: AldebaranError,
  also: Record<string, unknown> = {},
): FastifyReply {
  const status = statusOf(error)
  if (status === 503) reply.header('retry-after', String(RETRY_SECONDS))
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send({ error: error.toJSON(), ...also })
}

/** The query is never told: it may hold a token. */
export function reportUnforeseen(
  settings: CompiledHttpSettings,
  message: string,
  request: FastifyRequest,
  error: AldebaranError,
): void {
  settings.report('error', message, {
    method: request.method,
    route: request.routeOptions.url,
    code: error.code,
    error: messageOf(error.cause ?? error),
    stack: error.cause instanceof Error ? error.cause.stack : error.stack,
  })
}

/** Answers every error as JSON, and tells of those that nobody foresaw. */
export function errorHandler(
  settings: CompiledHttpSettings,
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const known = asAldebaranError(error, settings.bodyLimit)
    if (statusOf(known) === 500) reportUnforeseen(settings, 'a request failed', request, known)
    sendError(reply, known)
  }
}
