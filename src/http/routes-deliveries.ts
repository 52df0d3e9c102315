import type { FastifyInstance } from 'fastify'
import { parseCommand } from '../delivery/commands.ts'
import { BODY_TYPES } from './body.ts'
import type { HttpContext } from './context.ts'
import type { EventState } from './delivery-shape.ts'
import { DeliverySite, EVENT_STATES } from './delivery-site.ts'
import type { StoryOptions } from './event-story.ts'
import { jsonBody } from './json-body.ts'
import * as schemas from './schemas.ts'

interface DeliveryPath {
  delivery: string
}
interface OfApplication {
  application?: string
}

export function deliveryRoutes(app: FastifyInstance, { site }: HttpContext): void {
  const find = (delivery: string, application: string | undefined): DeliverySite =>
    DeliverySite.find(site, delivery, application)

  app.get<{ Querystring: OfApplication }>(
    '/deliveries',
    {
      schema: {
        tags: ['deliveries'],
        summary: 'The deliveries, with how much they have of what',
        querystring: schemas.query({ application: schemas.application }),
        response: schemas.answers('{deliveries}', 401, 404),
      },
    },
    async request => ({ deliveries: DeliverySite.all(site, request.query.application).map(one => one.describe()) }),
  )

  app.get<{ Params: DeliveryPath; Querystring: OfApplication & { from?: string; limit: number } }>(
    '/deliveries/:delivery/destinations',
    {
      schema: {
        tags: ['deliveries'],
        summary: 'Destinations by name: those that had events since the tasks began, and those that have some',
        params: schemas.params('delivery'),
        querystring: schemas.query({
          from: { type: 'string', description: 'First name, included.' },
          limit: schemas.limit(1000, 100),
          application: schemas.application,
        }),
        response: schemas.answers('{destinations, next}', 401, 404, 503),
      },
    },
    async ({ params, query }) =>
      await find(params.delivery, query.application).destinations(query.from ?? '', query.limit),
  )

  app.get<{ Params: DeliveryPath; Querystring: OfApplication & EventsQuery }>(
    '/deliveries/:delivery/events',
    {
      schema: {
        tags: ['deliveries'],
        summary: 'Events that wait on the disk, in the order of destination and turn',
        params: schemas.params('delivery'),
        querystring: schemas.query({
          state: { type: 'string', enum: EVENT_STATES, default: 'in-doubt' },
          destination: { type: 'string' },
          after: { type: 'string', description: 'Only events behind this one: `next` of the page before.' },
          limit: schemas.limit(1000, 100),
          application: schemas.application,
        }),
        response: schemas.answers('{events, next}', 400, 401, 404, 503),
      },
    },
    async ({ params, query }) => {
      const { state, destination, after, limit, application } = query
      return await find(params.delivery, application).events(state, destination, after, limit)
    },
  )

  app.get<{ Params: DeliveryPath & { id: string }; Querystring: OfApplication & StoryOptions }>(
    '/deliveries/:delivery/events/:id',
    {
      schema: {
        tags: ['deliveries'],
        summary: 'The story of one event: its state at each destination, its tries, and what comes next',
        description:
          'Its tries and its dead letters are looked for from the newest back, its rows in the backlog, each up to a bound; ' +
          '`complete` says whether that was enough. `destination` and `key` say where to look, and make it cheaper.',
        params: schemas.params('delivery', 'id'),
        querystring: schemas.query({
          destination: { type: 'string', description: 'Only at this destination.' },
          key: { type: 'string', description: 'Key of its record: one partition of the backlog is looked at.' },
          limit: { ...schemas.limit(1000, 100), description: 'Tries at most, the newest.' },
          application: schemas.application,
        }),
        response: schemas.answers(
          '{id, record, destinations, complete, notSearched, searchedBackTo}',
          400,
          401,
          404,
          503,
        ),
      },
    },
    async ({ params, query }) => {
      const { application, ...options } = query
      return await find(params.delivery, application).story(site, params.id, options)
    },
  )

  app.post<{ Params: DeliveryPath; Querystring: OfApplication }>(
    '/deliveries/:delivery/commands',
    {
      schema: {
        tags: ['deliveries'],
        summary: 'Tell a delivery to do something',
        description:
          'The body is {"command": "pause", "resume", "reset", "purge" or "limit", "destination": NAME}, with `reason` to ' +
          'pause, `rate` and `concurrency` to limit; or {"command": "send" or "drop", "event": ID}. It is durable when the ' +
          'answer comes, and carried out a moment later.',
        consumes: [BODY_TYPES.json],
        params: schemas.params('delivery'),
        querystring: schemas.query({ application: schemas.application }),
        response: schemas.answers('{accepted}', 400, 401, 404, 415, 503),
      },
    },
    async request => {
      const found = find(request.params.delivery, request.query.application)
      await found.command(parseCommand(jsonBody(request, 'name a command')))
      return { accepted: true }
    },
  )
}

interface EventsQuery {
  state: EventState
  destination?: string
  after?: string
  limit: number
}
