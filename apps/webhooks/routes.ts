/** The REST API of the notifier: everything below /webhooks/accounts/:account. */
import { type HttpRoute, json, type Running } from 'aldebaran'
import type { Webhooks } from './app.ts'
import { Directory } from './directory.ts'
import { checkAccount } from './input.ts'
import { Publisher } from './publisher.ts'
import { endpointRoutes } from './routes-endpoints.ts'
import { eventRoutes } from './routes-events.ts'

export function webhookRoutes(webhooks: Webhooks): HttpRoute[] {
  let parts: { running: Running; directory: Directory; publisher: Publisher } | null = null
  const partsOf = (running: Running) => {
    if (parts?.running !== running) {
      const directory = new Directory(webhooks, running)
      parts = { running, directory, publisher: new Publisher(webhooks, running, directory) }
    }
    return parts
  }
  return [...endpointRoutes, ...eventRoutes].map(({ path, handle, ...route }) => ({
    ...route,
    tag: 'webhooks',
    path: `/webhooks/accounts/:account${path}`,
    ...(route.bodyShape === undefined ? {} : { body: json() }),
    handle: async ({ params, query, headers, body }, running, operations) => {
      const { directory, publisher } = partsOf(running)
      const { account = '', endpoint = '' } = params
      checkAccount(account)
      const now = running.clock.now()
      return await handle({
        account,
        endpoint,
        params,
        query,
        headers,
        body,
        webhooks,
        directory,
        publisher,
        operations,
        now,
      })
    },
  }))
}
