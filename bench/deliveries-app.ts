/** What `deliveries.ts` measures and kills: events as bytes, sent by HTTP to the receiver that DELIVERIES_URL names. */
import { Pool } from 'undici'
import {
  type Attempt,
  application,
  bytes,
  DeliveryError,
  type DeliverySettings,
  delivery,
  text,
  topic,
} from '../src/index.ts'
import { CONNECTIONS } from './deliveries-rate.ts'

/** Of the deliveries that are killed, for each partition: in doubt are no more than so many a kill. */
export const MORTAL_CONCURRENCY = 16
export const MORTAL_PARTITIONS = 2

const origin = process.env.DELIVERIES_URL ?? 'http://127.0.0.1:1'
const pool = new Pool(origin, { connections: CONNECTIONS })
const HEADERS = { 'content-type': 'application/json' }

/** The destination is the path. */
async function post(value: Uint8Array, { destination, id, signal }: Attempt): Promise<void> {
  const headers = { ...HEADERS, 'webhook-id': id }
  const { statusCode, body } = await pool.request({
    path: `/${destination}`,
    method: 'POST',
    headers,
    body: value,
    signal,
  })
  await body.dump()
  if (statusCode >= 300) throw new DeliveryError('retry', `answered ${statusCode}`)
}

export const events = topic('events', { key: text(), value: bytes(), partitions: 1 })

/** The first byte says where to: of JSON an object goes to be counted, an array to be timed. */
const hooks = delivery('hooks', {
  from: events,
  route: value => (value[0] === 0x5b ? 'hook' : 'lat'),
  send: post,
  // Of the total a destination gets a part alone.
  limits: { total: { concurrency: 4 * CONNECTIONS }, destination: { concurrency: CONNECTIONS } },
})

export const hooksApp = application('hooks', { deliveries: [hooks] })

export const mortalEvents = topic('mortal-events', { key: text(), value: bytes(), partitions: MORTAL_PARTITIONS })

const mortal = {
  from: mortalEvents,
  send: post,
  limits: { total: { concurrency: MORTAL_CONCURRENCY } },
  retry: { first: '10ms', attempts: 100 },
  breaker: false,
} satisfies DeliverySettings<typeof mortalEvents>

/** Named as the paths of the receiver. */
export const mortalApp = application('mortal-deliveries', {
  deliveries: [delivery('least', mortal), delivery('most', { ...mortal, guarantee: 'at-most-once' })],
})
