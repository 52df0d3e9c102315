import { AldebaranError, type AttemptRecord, RouteAnswer } from 'aldebaran'
import type { AccountRoute, Call } from './account-route.ts'
import { endpointOf } from './accounts.ts'
import { DELIVERY, EVENT_ID } from './app.ts'
import { EVENT_TYPES, EVENTS, RANGE } from './body-shapes.ts'
import { parseEvents, parseEventTypes, parseRange } from './input.ts'
import { viewAttempt } from './views.ts'

const limitOf = { type: 'integer', minimum: 1, maximum: 1000, default: 50 } as const

export const eventRoutes: readonly AccountRoute[] = [
  {
    method: 'POST',
    path: '/events',
    summary: 'Send an event to the endpoints that want its type',
    description:
      'The body is {"type", "data"} with `id` and `timestamp` if wanted, or a list of such. It is durable when the answer ' +
      'comes. An event whose `id` (or header `webhook-id`) an endpoint had a day ago or less is not sent to it again.',
    bodyShape: EVENTS,
    status: 202,
    answers: '{ids} in the order of the events.',
    handle: async ({ account, body, headers, publisher, now }) => {
      const id = headers['webhook-id']
      const events = parseEvents(body, typeof id === 'string' ? id : undefined, now)
      return new RouteAnswer(202, { ids: await publisher.publish(account, events) })
    },
  },
  {
    method: 'GET',
    path: '/events/:event/attempts',
    summary: 'The tries of an event, the newest first',
    query: { limit: limitOf },
    answers: '{attempts}',
    handle: async call => {
      const event = call.params.event ?? ''
      if (!EVENT_ID.test(event)) throw new AldebaranError('NOT_FOUND', 'there is no such event')
      return { attempts: await attempts(call, { holding: Buffer.from(`"id":"${event}"`) }, one => one.id === event) }
    },
  },
  {
    method: 'GET',
    path: '/endpoints/:endpoint/attempts',
    summary: 'The tries at an endpoint, the newest first',
    query: { limit: limitOf },
    answers: '{attempts}',
    handle: async call => ({ attempts: await attempts(call, { key: call.endpoint }, () => true) }),
  },
  {
    method: 'POST',
    path: '/endpoints/:endpoint/replay',
    summary:
      'Send all now that is undelivered at an endpoint since a time: what was given up, and what waits for a retry',
    description:
      'The body is {"since"} with `until` if wanted: ms since 1970, or ISO 8601. The endpoint must be enabled. `replayed` ' +
      'counts what was given up in that time, `sent` what came in it and waits for its next try; with `more` ask again.',
    bodyShape: RANGE,
    status: 202,
    answers: '{replayed, failed, sent, more}',
    handle: replay,
  },
  {
    method: 'GET',
    path: '/event-types',
    summary: 'The event types that an account has declared',
    answers: '{eventTypes}: empty: any type is taken.',
    handle: async ({ account, directory }) => ({ eventTypes: (await directory.read(account))?.eventTypes ?? [] }),
  },
  {
    method: 'PUT',
    path: '/event-types',
    summary: 'Declare the event types of an account: events of other types are refused from now on',
    description: 'The body is {"eventTypes": [{"name", "description"}]}; an empty list takes any type again.',
    bodyShape: EVENT_TYPES,
    answers: '{eventTypes}',
    handle: async ({ account, body, directory, publisher }) => {
      const eventTypes = parseEventTypes(body)
      const changed = await directory.change(account, () => ({ change: 'event-types', eventTypes }))
      await publisher.forget(account)
      return { eventTypes: changed.eventTypes }
    },
  },
]

async function attempts(
  { account, query, operations, webhooks }: Call,
  where: { key?: string; holding?: Buffer },
  test: (attempt: AttemptRecord) => boolean,
): Promise<object[]> {
  const found = await operations.newest(webhooks.attempts.name, { ...where, limit: Number(query.limit) })
  return (found as AttemptRecord[]).filter(one => one.tenant === account && test(one)).map(viewAttempt)
}

async function replay({ account, endpoint: id, body, directory, operations, webhooks }: Call): Promise<RouteAnswer> {
  const range = parseRange(body)
  if (endpointOf(await directory.read(account), id).status === 'disabled') {
    throw new AldebaranError('NOT_REPLAYABLE', `endpoint ${id} is disabled: enable it first`, { endpoint: id })
  }
  // Who asks for it says that the endpoint is up again.
  await operations.command(DELIVERY, { command: 'reset', destination: id })
  const { changed, failed } = await operations.replay({ topic: webhooks.events.name, destination: id, ...range })
  const scheduled = await operations.sendScheduled(DELIVERY, id, range)
  return new RouteAnswer(202, { replayed: changed, failed, ...scheduled })
}
