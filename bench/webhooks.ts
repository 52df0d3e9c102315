/** The webhooks application on the embedded log: signed, recorded, and sent by its SSRF-safe sender. */
import { randomBytes } from 'node:crypto'
import { webhooksFromEnvironment } from '../apps/webhooks/environment.ts'
import { webhookRoutes } from '../apps/webhooks/routes.ts'
import { type LogLocation, Producer, run } from '../src/index.ts'
import { CONNECTIONS, type MeasuredSite, measureDeliveries, RATE_OPTIONS } from './deliveries-rate.ts'
import { parseOptions } from './measure.ts'

const ACCOUNT = 'measured'

export async function bench(args: string[]): Promise<void> {
  await measureDeliveries('webhooks', parseOptions(args, RATE_OPTIONS), begin)
}

async function begin(receiver: string, log: LogLocation): Promise<MeasuredSite> {
  // Worker threads get it too.
  process.env.WEBHOOKS_KEY = randomBytes(32).toString('base64')
  process.env.WEBHOOKS_TRUSTED = receiver
  const webhooks = webhooksFromEnvironment(process.env)
  const running = await run(webhooks.application, {
    log,
    workers: 1,
    signals: false,
    http: { port: 0, console: false, routes: webhookRoutes(webhooks) },
    entry: new URL('../apps/webhooks/entry.ts', import.meta.url),
    logLevel: 'warn',
  })
  const path = `/webhooks/accounts/${ACCOUNT}/endpoints`
  for (const kind of ['hook', 'lat']) {
    const response = await fetch(running.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url: `${receiver}/${kind}`, types: [kind], concurrency: CONNECTIONS }),
    })
    if (!response.ok) throw new Error(await response.text())
    await response.body?.cancel()
  }
  const producer = new Producer(running.log)
  let sent = 0
  return {
    running,
    send(kind, body) {
      const headers = [
        { key: 'id', value: Buffer.from(`msg_${sent++}`) },
        { key: 'type', value: Buffer.from(kind) },
      ]
      producer.send(webhooks.events, ACCOUNT, body, { headers })
    },
    flush: () => producer.flush(),
  }
}
