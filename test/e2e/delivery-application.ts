/** What the tests of deliveries serve: calls that may be repeated, and notices that may not. Worker threads import it too. */
import { application, DeliveryError, delivery, embedded, json, type Running, text, topic } from '../../src/index.ts'
import { start } from '../../src/runtime/start.ts'

interface Call {
  /** Where the receivers listen. */
  url: string
  to: string[]
  /** ms. */
  delay?: number
}

export const calls = topic('calls', { key: text(), value: json<Call>(), partitions: 2 })
const notices = topic('notices', { key: text(), value: json<Call>(), partitions: 2 })

const callsOut = delivery('calls', {
  from: calls,
  route: ({ to, delay = 0 }) => to.map(destination => ({ destination, tenant: 'acme', delay })),
  retry: { schedule: ['1h'], jitter: 0 },
  limits: { destination: { concurrency: 4 } },
  async send({ url }, { id, destination, signal }) {
    const response = await fetch(`${url}/${destination}`, { method: 'POST', body: id, signal })
    if (response.ok) return
    const { status } = response
    throw new DeliveryError(status === 410 ? 'disable' : status < 500 ? 'reject' : 'retry', `answered ${status}`)
  },
})

const noticesOut = delivery('notices', {
  from: notices,
  route: ({ to }) => to.map(destination => ({ destination })),
  guarantee: 'at-most-once',
  async send({ url }, { id, destination, signal }) {
    await fetch(`${url}/${destination}`, { method: 'POST', body: id, signal })
  },
})

export const app = application('outside', { deliveries: [callsOut, noticesOut] })

export function startOutside(folder: string, maxSize: string): Promise<Running> {
  const log = embedded(folder, { durability: 'process', maxSize })
  return start(app, { log, entry: new URL(import.meta.url), workers: 2 })
}
