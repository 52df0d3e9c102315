/** What the tests of an event's story serve: posts that may be repeated, pages that may not. Worker threads import it too. */
import {
  type AttemptRecord,
  application,
  bytes,
  DeliveryError,
  delivery,
  embedded,
  json,
  type Running,
  text,
  topic,
} from '../../src/index.ts'
import { start } from '../../src/runtime/start.ts'

interface Post {
  /** Where the receivers listen. */
  url: string
  to: string[]
  /** Default: topic, partition and offset. */
  id?: string
  /** ms. */
  delay?: number
}

/** A receiver may answer anything. */
export const HOSTILE = '<img src=x onerror="alert(1)"> & </pre><script>alert(2)</script>'

const keyed = { key: text(), partitions: 2 }
const posts = topic('posts', { ...keyed, value: json<Post>() })
const pages = topic('pages', { ...keyed, value: json<Post>() })
const mails = topic('mails', { key: text(), value: bytes(), partitions: 1 })
const tries = topic('tries', { ...keyed, value: json<AttemptRecord>() })

async function send(
  { url }: Post,
  { id, destination, signal }: { id: string; destination: string; signal: AbortSignal },
) {
  const { status, ok } = await fetch(`${url}/${destination}`, { method: 'POST', body: id, signal })
  const detail = { status, body: HOSTILE }
  if (ok) return detail
  throw new DeliveryError(status < 500 ? 'reject' : 'retry', `answered ${status}`, { detail })
}

function route({ to, id, delay = 0 }: Post) {
  return to.map(destination => ({ destination, tenant: 'acme', delay, ...(id === undefined ? {} : { id }) }))
}

export const app = application('stories', {
  deliveries: [
    delivery('posts', { from: posts, route, send, attempts: tries, retry: { schedule: ['1h'], jitter: 0 } }),
    delivery('pages', { from: pages, route, send, guarantee: 'at-most-once' }),
    delivery('mails', { from: mails, retry: { schedule: ['1h'] }, send: () => Promise.reject(new Error('no')) }),
  ],
})

export function startStories(folder: string, maxSize: string): Promise<Running> {
  const log = embedded(folder, { durability: 'process', maxSize })
  return start(app, { log, entry: new URL(import.meta.url), workers: 2 })
}
