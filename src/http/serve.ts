import { createServer } from 'node:http'
import swagger from '@fastify/swagger'
import { type FastifyInstance, fastify } from 'fastify'
import { AldebaranError, messageOf } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import type { Running } from '../runtime/start.ts'
import { admission, guard } from './access.ts'
import { applicationRoutes } from './application-routes.ts'
import { BODY_TYPES } from './body.ts'
import type { HttpContext } from './context.ts'
import { errorHandler } from './failures.ts'
import { Ingest } from './ingest.ts'
import { limitLoad } from './load.ts'
import { type HttpMetrics, makeMetrics } from './metrics.ts'
import { describeApi } from './openapi.ts'
import { ReadyAnswers } from './ready-answers.ts'
import { registryRoutes } from './registry/routes.ts'
import { consoleRoutes } from './routes-console.ts'
import { deadLetterRoutes } from './routes-dead-letters.ts'
import { deliveryRoutes } from './routes-deliveries.ts'
import { operationRoutes } from './routes-operations.ts'
import { recordRoutes } from './routes-records.ts'
import { tableRoutes } from './routes-tables.ts'
import { topicRoutes } from './routes-topics.ts'
import { type CompiledHttpSettings, compileHttpSettings, type HttpSettings } from './settings.ts'
import { Site } from './site.ts'
import { StatsTaker } from './stats.ts'
import { StatsStreams } from './stats-streams.ts'
import { TailHub } from './tail.ts'

export type { HttpSettings } from './settings.ts'

export interface Served {
  /** `http://127.0.0.1:8000` */
  readonly url: string
  /** Lets requests at hand finish, ends the streams, and frees the port. */
  close(): Promise<void>
}

/** A request must be here as a whole within this time, ms. */
const REQUEST_MS = 120_000
/** A connection without requests is closed after that long: longer than the minute of usual proxies. */
const KEEP_ALIVE_MS = 72_000
/** Of every answer. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}
/** Topic names, and keys of rows in paths. */
const LONGEST_PARAMETER = 4096

/**
 * Serves the API, the metrics and the console of applications that run.
 *
 * @throws AldebaranError CREDENTIALS_NEEDED for a bind other than loopback without tokens; OPTION_INVALID, also when
 *   the port is taken.
 */
export async function serve(running: readonly Running[], settings: HttpSettings): Promise<Served> {
  const compiled = compileHttpSettings(settings, process.env)
  const site = new Site(running)
  const taker = new StatsTaker(site)
  const stats = new StatsStreams(taker, await taker.take())
  const hubs = new Map<Log, TailHub>()
  const context: HttpContext = {
    site,
    settings: compiled,
    ingest: new Ingest(),
    metrics: makeMetrics(site, taker, compiled.metrics),
    stats,
    tails(log) {
      let hub = hubs.get(log)
      if (hub === undefined) {
        hub = new TailHub(log)
        hubs.set(log, hub)
      }
      return hub
    },
  }
  const endStreams = (): void => {
    stats.close()
    for (const hub of hubs.values()) hub.close()
  }
  const app = await build(context)
  try {
    const url = await listen(app, compiled)
    return {
      url,
      async close() {
        endStreams()
        await app.close()
      },
    }
  } catch (error) {
    endStreams()
    await app.close()
    throw error
  }
}

async function build(context: HttpContext): Promise<FastifyInstance> {
  const { settings, metrics, site } = context
  const ready = readyAnswers(settings, metrics)
  const app: FastifyInstance = fastify({
    serverFactory(handler) {
      const server = createServer((request, response) => {
        if (!ready.answer(request, response)) handler(request, response)
      })
      server.requestTimeout = REQUEST_MS
      server.keepAliveTimeout = KEEP_ALIVE_MS
      return server
    },
    bodyLimit: settings.bodyLimit,
    forceCloseConnections: 'idle',
    // A path that cannot be decoded never comes to the handlers.
    frameworkErrors: errorHandler(settings),
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, allErrors: false } },
  })
  // Answers are written as they are; their schemas only describe them.
  app.setSerializerCompiler(() => data => JSON.stringify(data))
  app.setErrorHandler(errorHandler(settings))
  app.setNotFoundHandler(request => {
    throw new AldebaranError('NOT_FOUND', `there is no ${request.method} ${request.url.split('?')[0]}`)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    [...Object.values(BODY_TYPES), 'application/jsonl'],
    { parseAs: 'buffer' },
    (request, body, done) => {
      const encoding = request.headers['content-encoding'] ?? 'identity'
      if (encoding === 'identity') done(null, body)
      else done(new AldebaranError('CONTENT_TYPE_UNKNOWN', `bodies in Content-Encoding ${encoding} are not taken`))
    },
  )
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ ...HEADERS, 'cache-control': 'no-store' })
  })
  guard(app, settings)
  limitLoad(app, settings)
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    metrics.requests.inc({ method: request.method, route, status: String(reply.statusCode) })
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Aldebaran', description: 'The API of a running Aldebaran.', version: '1' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: settings.tokens.length === 0 ? [] : [{ token: [] }],
    },
  })
  recordRoutes(app, context)
  topicRoutes(app, context)
  tableRoutes(app, context)
  deadLetterRoutes(app, context)
  deliveryRoutes(app, context)
  operationRoutes(app, context)
  applicationRoutes(app, site, settings.routes, ready)
  await app.register(registryRoutes(context), { prefix: '/registry' })
  app.get('/openapi.json', { schema: { hide: true } }, async () => describeApi(app, settings.routes))
  if (settings.console) consoleRoutes(app)
  await app.ready()
  return app
}

function readyAnswers(settings: CompiledHttpSettings, { requests }: HttpMetrics): ReadyAnswers {
  return new ReadyAnswers({
    admits: admission(settings),
    headers: Object.entries(HEADERS).flat(),
    isPrivate: settings.tokens.length > 0,
    counted: (route, status) => requests.inc({ method: 'GET', route, status: String(status) }),
  })
}

async function listen(app: FastifyInstance, { host, port }: CompiledHttpSettings): Promise<string> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    throw new AldebaranError(
      'OPTION_INVALID',
      `cannot listen on ${host}:${port}: ${messageOf(error)}`,
      { host, port },
      error,
    )
  }
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new AldebaranError('INTERNAL', 'the server has no port')
  const name = host.includes(':') ? `[${host}]` : host
  return `http://${name}:${address.port}`
}
