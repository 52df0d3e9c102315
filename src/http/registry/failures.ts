import type { FastifyReply, FastifyRequest } from 'fastify'
import { refusalOf } from '../../connect/registry/refusal.ts'
import type { AldebaranError } from '../../errors.ts'
import { asAldebaranError, reportUnforeseen, statusOf } from '../failures.ts'
import type { CompiledHttpSettings } from '../settings.ts'

export const REGISTRY_TYPE = 'application/vnd.schemaregistry.v1+json'
const STORE_FAILED = 50001
const RETRY_SECONDS = 1

/** Answers every error in the form of schema registries: `{error_code, message}`. */
export function registryErrorHandler(
  settings: CompiledHttpSettings,
  bodyLimit: number,
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const known = asAldebaranError(error, bodyLimit)
    const code = codeOf(known)
    const status = code >= 1000 ? Math.floor(code / 100) : code
    if (status === 401) reply.header('www-authenticate', 'Basic realm="aldebaran", Bearer')
    if (status === 503) reply.header('retry-after', String(RETRY_SECONDS))
    if (status === 500) reportUnforeseen(settings, 'a request to the schema registry failed', request, known)
    reply
      .code(status)
      .type(REGISTRY_TYPE)
      .send(JSON.stringify({ error_code: code, message: known.message }))
  }
}

function codeOf(error: AldebaranError): number {
  const refusal = refusalOf(error)
  if (refusal !== null) return refusal
  if (error.code === 'BODY_INVALID' || error.code === 'OPTION_INVALID') return 422
  const status = statusOf(error)
  return status === 500 ? STORE_FAILED : status
}
