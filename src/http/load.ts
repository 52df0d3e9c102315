import type { FastifyInstance } from 'fastify'
import { AldebaranError } from '../errors.ts'
import type { CompiledHttpSettings } from './settings.ts'

/** Bodies of all requests at hand, together: each is in memory as a whole. */
const MOST_BODY_BYTES = 256 * 1024 * 1024

/** Answers BUSY when the bodies at hand would take too much memory. One that does not tell its length counts in full. */
export function limitLoad(app: FastifyInstance, { bodyLimit }: CompiledHttpSettings): void {
  const most = Math.max(MOST_BODY_BYTES, bodyLimit)
  let atHand = 0
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'POST') return
    const told = Number(request.headers['content-length'] ?? bodyLimit)
    const bytes = Math.min(Number.isFinite(told) ? told : bodyLimit, bodyLimit)
    if (atHand + bytes > most) throw new AldebaranError('BUSY', 'too many large requests at once')
    atHand += bytes
    reply.raw.once('close', () => {
      atHand -= bytes
    })
  })
}
