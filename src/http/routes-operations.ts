import type { FastifyInstance } from 'fastify'
import { clusterOf } from './cluster.ts'
import type { HttpContext } from './context.ts'
import { EventStream } from './event-stream.ts'
import * as schemas from './schemas.ts'

/** Health, readiness, stats and metrics. */
export function operationRoutes(app: FastifyInstance, { site, stats, metrics }: HttpContext): void {
  const health = () => {
    const all = site.applications.map(running => ({ name: running.application.name, ...running.health() }))
    return {
      ok: all.every(one => one.status === 'ok'),
      ready: all.every(one => one.ready),
      problems: all.flatMap(one => one.problems.map(problem => ({ application: one.name, ...problem }))),
    }
  }

  app.get(
    '/health',
    {
      config: { open: true },
      schema: {
        tags: ['operations'],
        summary: 'Whether all works',
        response: schemas.answers('{status: "ok", problems: []}', 503),
      },
    },
    async (_request, reply) => {
      const { ok, problems } = health()
      reply.status(ok ? 200 : 503)
      return { status: ok ? 'ok' : 'failing', problems }
    },
  )

  app.get(
    '/ready',
    {
      config: { open: true },
      schema: {
        tags: ['operations'],
        summary: 'Whether every worker runs its tasks',
        response: schemas.answers('{ready: true}', 503),
      },
    },
    async (_request, reply) => {
      const { ready, problems } = health()
      reply.status(ready ? 200 : 503)
      return { ready, problems }
    },
  )

  app.get(
    '/cluster',
    {
      schema: {
        tags: ['operations'],
        summary: 'The nodes of the applications, as this one knows them, and which tasks each has',
        response: schemas.answers(
          '{applications: [{application, status, problems, nodes, workers, groups}]}',
          401,
          503,
        ),
      },
    },
    async () => ({ applications: await clusterOf(site) }),
  )

  app.get(
    '/stats',
    {
      schema: {
        tags: ['operations'],
        summary: 'Rates, lag, latency, tables and the drawing of the pipelines; at most a second old',
        response: schemas.answers('The stats', 401),
      },
    },
    async () => stats.latest,
  )

  app.get(
    '/stats/stream',
    {
      exposeHeadRoute: false,
      config: { tokenInQuery: true },
      schema: {
        tags: ['operations'],
        summary: 'The stats once a second, as server-sent events',
        querystring: schemas.query({ access_token: schemas.accessToken }),
        produces: ['text/event-stream'],
      },
    },
    (request, reply) => stats.add(new EventStream(request, reply)),
  )

  app.get(
    '/metrics',
    { schema: { tags: ['operations'], summary: 'Metrics for Prometheus', produces: ['text/plain'] } },
    async (_request, reply) => {
      reply.type(metrics.registry.contentType)
      return await metrics.registry.metrics()
    },
  )
}
