/** The notifier as the environment sets it up (see environment.ts): what `aldebaran run` and the worker threads import. */
import { embedded, run } from 'aldebaran'
import { webhooksFromEnvironment } from './environment.ts'
import { webhookMetrics } from './metrics.ts'
import { outboxFromEnvironment } from './outbox.ts'
import { webhookRoutes } from './routes.ts'

const webhooks = webhooksFromEnvironment(process.env)
await run(webhooks.application, {
  log: embedded('./data/webhooks'),
  http: { routes: webhookRoutes(webhooks), metrics: webhookMetrics },
  sources: outboxFromEnvironment(webhooks, process.env),
})
