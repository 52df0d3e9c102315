/**
 * Who may ask the registry: whoever may ask the API, with the token as Bearer or, as clients of registries have it, as the
 * password of HTTP Basic. The routes are marked open for the guard of the API, so each of them must have this hook.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { AldebaranError } from '../../errors.ts'

export function basicGuard(tokens: readonly string[]): (request: FastifyRequest) => Promise<void> {
  const digests = tokens.map(digest)
  return async request => {
    if (digests.length === 0) return
    const given = tokenOf(request.headers.authorization ?? '')
    if (given === null) throw new AldebaranError('UNAUTHORIZED', 'a token is needed')
    const known = digest(given)
    // Looks at all of them, whichever matches.
    if (digests.filter(one => timingSafeEqual(one, known)).length === 0) {
      throw new AldebaranError('UNAUTHORIZED', 'the token is not known')
    }
  }
}

function tokenOf(header: string): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(header)?.[1]
  if (bearer !== undefined) return bearer
  const basic = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(header)?.[1]
  if (basic === undefined) return null
  const credentials = Buffer.from(basic, 'base64').toString()
  const colon = credentials.indexOf(':')
  return colon < 0 ? null : credentials.slice(colon + 1)
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
