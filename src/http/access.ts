/**
 * Who may ask.
 *
 * 1. On loopback only names of loopback are answered, so that a page whose host name was pointed at 127.0.0.1 gets
 *    nothing (DNS rebinding).
 * 2. Without tokens, a request that changes something must not come from a page of another site.
 * 3. With tokens, every route asks for one but those marked open. Tokens are compared as digests, in constant time.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AldebaranError } from '../errors.ts'
import type { CompiledHttpSettings } from './settings.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs no token. */
    open?: boolean
    /** Takes the token as `?access_token=` too: an EventSource of a browser cannot send a header. */
    tokenInQuery?: boolean
  }
}

const LOOPBACK_NAME = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i

export function guard(app: FastifyInstance, settings: CompiledHttpSettings): void {
  const digests = settings.tokens.map(digest)
  app.addHook('onRequest', async request => {
    const host = request.headers.host ?? ''
    if (settings.loopback && !LOOPBACK_NAME.test(host)) {
      throw new AldebaranError('HOST_REFUSED', 'the Host header names something else than this machine')
    }
    if (digests.length === 0) {
      if (request.method !== 'GET' && request.method !== 'HEAD' && isForeign(request, host)) {
        throw new AldebaranError('HOST_REFUSED', 'the request comes from a page of another site')
      }
      return
    }
    if (request.routeOptions.config?.open === true) return
    const given = tokenOf(request)
    if (given === null || !matches(digest(given), digests)) {
      throw new AldebaranError('UNAUTHORIZED', given === null ? 'a token is needed' : 'the token is not known')
    }
  })
}

/** Whether a GET of what needs a token would pass `guard`, by its headers. */
export function admission(settings: CompiledHttpSettings): (request: IncomingMessage) => boolean {
  const digests = settings.tokens.map(digest)
  return ({ headers }) => {
    if (settings.loopback && !LOOPBACK_NAME.test(headers.host ?? '')) return false
    if (digests.length === 0) return true
    const given = headers.authorization === undefined ? null : bearerOf(headers.authorization)
    return given !== null && matches(digest(given), digests)
  }
}

function isForeign(request: FastifyRequest, host: string): boolean {
  const { origin } = request.headers
  if (origin === undefined) return false
  return URL.parse(origin)?.host !== host.toLowerCase()
}

function tokenOf(request: FastifyRequest): string | null {
  const header = request.headers.authorization
  if (header !== undefined) return bearerOf(header)
  if (request.routeOptions.config?.tokenInQuery !== true) return null
  const { access_token: token } = request.query as Record<string, unknown>
  return typeof token === 'string' ? token : null
}

function bearerOf(header: string): string {
  return /^Bearer +(\S+) *$/i.exec(header)?.[1] ?? ''
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Looks at all of them, whichever matches. */
function matches(given: Buffer, known: readonly Buffer[]): boolean {
  let found = false
  for (const one of known) if (timingSafeEqual(given, one)) found = true
  return found
}
