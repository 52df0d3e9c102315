import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AldebaranError } from '../errors.ts'
import { ConsoleFiles } from './console-files.ts'

/** No script, style or connection but our own, and no frame around it. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The console: its page at `/`, its files under `/console/` and beside the page. */
export function consoleRoutes(app: FastifyInstance): void {
  const files = new ConsoleFiles()
  const send = async (name: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const file = await files.get(name)
    if (file === null) throw new AldebaranError('NOT_FOUND', `there is no ${request.url.split('?')[0]}`)
    reply.header('content-security-policy', CONTENT_SECURITY_POLICY)
    reply.header('etag', file.etag)
    // Kept, and asked for again each time: an upgrade is seen at once.
    reply.header('cache-control', 'no-cache')
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send()
    return reply.type(file.type).send(file.bytes)
  }
  const options = { config: { open: true }, schema: { hide: true } }
  app.get('/', options, (request, reply) => send('index.html', request, reply))
  app.get('/console', options, (_request, reply) => reply.redirect('/console/'))
  app.get('/console/', options, (request, reply) => send('index.html', request, reply))
  app.get<{ Params: { file: string } }>('/console/:file', options, (request, reply) =>
    send(request.params.file, request, reply),
  )
  app.get<{ Params: { file: string } }>('/:file', options, (request, reply) =>
    send(request.params.file, request, reply),
  )
}
