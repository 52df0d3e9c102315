/** Routes that an application adds to the API: beside the others, behind the same credentials, in the same OpenAPI page. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Running } from '../runtime/start.ts'
import type { Schema } from '../schema/schema.ts'
import { BODY_TYPES } from './body.ts'
import { EventStream } from './event-stream.ts'
import { jsonBody } from './json-body.ts'
import { type Operations, operationsOf } from './operations.ts'
import { ReadyAnswer } from './ready-answer.ts'
import type { ReadyAnswers } from './ready-answers.ts'
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

/**
 * Answers with that status; anything else that a handler returns is answered with 200. A body of bytes or text, or a
 * `Readable` of them, is sent as it is, with the content-type of the headers; any other as JSON.
 */
export class RouteAnswer {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }
}

/** Answers with a stream of server-sent events, which `open` is given. The server closes it when it stops. */
export class EventsAnswer {
  readonly open: (stream: EventStream) => void

  constructor(open: (stream: EventStream) => void) {
    this.open = open
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
  /** JSON Schema of the JSON body, for the OpenAPI page; it checks nothing. Default: any JSON. */
  bodyShape?: object
  /** Status of the answer when all is well, for the OpenAPI page. Default 200. */
  status?: number
  /** Of what the answer is, in words. */
  answers: string
  /**
   * It answers with an EventsAnswer. It takes the token as `?access_token=` too, for an EventSource of a browser cannot
   * send headers, and is given the Last-Event-ID among the headers.
   */
  events?: boolean
  /** It answers with a `Readable`, made for the request: HEAD, which would read all of it for nothing, is not offered. */
  streams?: boolean
  /**
   * A returned value is sent as JSON (but see RouteAnswer, ReadyAnswer and EventsAnswer); a thrown AldebaranError as an
   * error with its code, anything else as 500.
   */
  handle: (request: RouteRequest<B>, running: Running, operations: Operations) => unknown
}

/** Who serves several applications has no place for routes of one: they are the first one's. */
export function applicationRoutes(
  app: FastifyInstance,
  site: Site,
  routes: readonly HttpRoute[],
  ready: ReadyAnswers,
): void {
  const running = site.applications[0]!
  const operations = operationsOf(site, running)
  const streams = new Set<EventStream>()
  app.addHook('preClose', async () => {
    ready.close()
    for (const stream of [...streams]) stream.close('the server stops')
  })
  for (const {
    method,
    path,
    summary,
    description,
    tag,
    query = {},
    body,
    status = 200,
    answers,
    events = false,
    streams: isRead = false,
    handle,
  } of routes) {
    const names = path.split('/').flatMap(part => (part.startsWith(':') ? [part.slice(1)] : []))
    app.route({
      method,
      url: path,
      ...(events || isRead ? { exposeHeadRoute: false } : {}),
      ...(events ? { config: { tokenInQuery: true } } : {}),
      schema: {
        tags: [tag],
        summary,
        ...(description === undefined ? {} : { description }),
        ...(names.length === 0 ? {} : { params: schemas.params(...names) }),
        ...(body === undefined ? {} : { consumes: [BODY_TYPES.json] }),
        querystring: schemas.query(events ? { ...query, access_token: schemas.accessToken } : query),
        ...(events ? { produces: ['text/event-stream'] } : {}),
        response: schemas.answersWith(status, answers, 400, 401, 404, ...(body === undefined ? [] : [415]), 503),
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
        if (answer instanceof ReadyAnswer) return await sendReady(request, reply, path, answer, ready)
        if (answer instanceof RouteAnswer) {
          return await reply.code(answer.status).headers(answer.headers).send(answer.body)
        }
        if (!(answer instanceof EventsAnswer)) return answer ?? {}
        const stream = new EventStream(request, reply)
        streams.add(stream)
        stream.onClose(() => streams.delete(stream))
        answer.open(stream)
        return reply
      },
    })
  }
}

/** Sends it, and keeps it for those who ask for the same URL later: they need not come here. */
async function sendReady(
  request: FastifyRequest,
  reply: FastifyReply,
  route: string,
  answer: ReadyAnswer,
  ready: ReadyAnswers,
): Promise<FastifyReply> {
  const coding = ready.codings.of(request.headers['accept-encoding'] as string | undefined)
  const { body, headers, unchanged } = await answer.makeVariant(coding, ready.isPrivate)
  if (request.method === 'GET') ready.keep(request.raw.url!, route, answer)
  else answer.drop()
  const isKnown = answer.isKnownTo(request.headers['if-none-match'])
  const own = isKnown ? unchanged : headers
  for (let i = 0; i < own.length; i += 2) reply.header(own[i]!, own[i + 1]!)
  return isKnown ? await reply.code(304).send() : await reply.send(body)
}
