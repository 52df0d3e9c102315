/** Routes that an application adds to the API: beside the others, behind the same credentials, in the same OpenAPI page. */
import type { FastifyInstance } from 'fastify'
import type { Running } from '../runtime/start.ts'
import type { Schema } from '../schema/schema.ts'
import { BODY_TYPES } from './body.ts'
import { jsonBody } from './json-body.ts'
import { type Operations, operationsOf } from './operations.ts'
import * as schemas from './schemas.ts'
import type { Site } from './site.ts'

export interface RouteRequest<B = unknown> {
  /** Of the path. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string | number | boolean | undefined>>
  /** The JSON body, checked by the route's `body`; undefined: the route has none. */
  readonly body: B
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** Answers with that status; anything else that a handler returns is answered with 200. */
export class RouteAnswer {
  readonly status: number
  readonly body: unknown

  constructor(status: number, body: unknown) {
    this.status = status
    this.body = body
  }
}

export interface HttpRoute<B = unknown> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** '/webhooks/endpoints/:id' */
  path: string
  /** One line for the OpenAPI page. */
  summary: string
  description?: string
  tag: string
  /** JSON Schemas of the query's parameters, by name. Others are refused. */
  query?: Record<string, object>
  /** Of the JSON body: what does not fit is answered with 400. */
  body?: Schema<B>
  /** Of what the answer is, in words. */
  answers: string
  /** A returned value is sent as JSON; a thrown AldebaranError as an error with its code, anything else as 500. */
  handle: (request: RouteRequest<B>, running: Running, operations: Operations) => unknown
}

/** Who serves several applications has no place for routes of one: they are the first one's. */
export function applicationRoutes(app: FastifyInstance, site: Site, routes: readonly HttpRoute[]): void {
  const running = site.applications[0]!
  const operations = operationsOf(site, running)
  for (const { method, path, summary, description, tag, query = {}, body, answers, handle } of routes) {
    const names = path.split('/').flatMap(part => (part.startsWith(':') ? [part.slice(1)] : []))
    app.route({
      method,
      url: path,
      schema: {
        tags: [tag],
        summary,
        ...(description === undefined ? {} : { description }),
        ...(names.length === 0 ? {} : { params: schemas.params(...names) }),
        ...(body === undefined ? {} : { consumes: [BODY_TYPES.json] }),
        querystring: schemas.query(query),
        response: schemas.answers(answers, 400, 401, 404, 503),
      },
      async handler(request, reply) {
        const answer = await handle(
          {
            params: request.params as Record<string, string>,
            query: request.query as Record<string, string>,
            body: body === undefined ? undefined : body.fromJson(jsonBody(request)),
            headers: request.headers,
          },
          running,
          operations,
        )
        if (answer instanceof RouteAnswer) return await reply.code(answer.status).send(answer.body)
        return answer ?? {}
      },
    })
  }
}
