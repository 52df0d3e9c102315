/** `webhooks --mode faults`: some events to each kind of bad receiver, and what became of them. */
import { type OptionSpec, parseOptions, result } from './measure.ts'
import { type End, FAULTS } from './webhooks-faults.ts'
import type { Received } from './webhooks-receiver.ts'
import { type Endpoint, WebhooksSite } from './webhooks-site.ts'

const OPTIONS = {
  events: { kind: 'number', default: 5, min: 1, max: 1000 },
  /** Of one try, s: more than a busy machine needs for an answer. */
  timeout: { kind: 'number', default: 2, min: 0.1 },
  limit: { kind: 'number', default: 120, min: 1 },
} as const satisfies Record<string, OptionSpec>

const ACCOUNT = 'faults'
const TRIES = 3
/** Addresses that no endpoint can have: nothing but names that are allowed may be reached. */
const FORBIDDEN = ['http://169.254.169.254/', 'http://127.0.0.1/', 'http://2130706433/', 'http://[::ffff:7f00:1]/']

export async function measureFaults(args: string[]): Promise<void> {
  const { events, timeout, limit } = parseOptions(args, OPTIONS)
  await using site = await WebhooksSite.start({
    durability: 'process',
    memory: '256MB',
    webhooks: {
      partitions: 1,
      timeout: timeout * 1000,
      retry: { schedule: Array.from({ length: TRIES - 1 }, () => '100ms') },
      // What a breaker holds is tried one by one: it would only take longer.
      breaker: false,
    },
  })
  const kinds = [...Object.keys(FAULTS).filter(kind => kind !== 'redirected'), 'refuse']
  const endpoints = new Map<string, Endpoint>()
  for (const kind of kinds) {
    endpoints.set(kind, await site.endpoint(ACCOUNT, { url: site.addressOf(kind, kind), types: [kind] }))
  }
  const begun = performance.now()
  // Event number i of kind k is e_(k × events + i): dead letters are told apart by it.
  const all = kinds.flatMap((kind, k) =>
    Array.from({ length: events }, (_, i) => ({ id: `e_${k * events + i}`, type: kind, data: {} })),
  )
  for (let at = 0; at < all.length; at += 1000) {
    await site.ask('POST', `/webhooks/accounts/${ACCOUNT}/events`, all.slice(at, at + 1000))
  }
  const isOver = await site.until(async () => {
    const { delivered, dead } = await site.counts()
    return delivered + dead >= all.length
  }, limit)
  const seconds = Number(((performance.now() - begun) / 1000).toFixed(2))
  const received = await site.receiver.call('report', false)
  const { numbers, others } = await site.letters()
  let isRight = isOver && others === 0
  for (const [k, kind] of kinds.entries()) {
    const { status } = (await site.ask(
      'GET',
      `/webhooks/accounts/${ACCOUNT}/endpoints/${endpoints.get(kind)!.id}`,
    )) as {
      status: string
    }
    const letters = [...numbers].filter(number => Math.floor(number / events) === k)
    const took = takenAt(received, kind)
    const end: End = FAULTS[kind]?.end ?? 'dead'
    const delivered = end === 'delivered' ? took.taken - took.duplicates : 0
    const dead = new Set(letters).size
    const right =
      delivered === (end === 'delivered' ? events : 0) &&
      dead === (end === 'delivered' ? 0 : events) &&
      letters.length === dead &&
      took.duplicates === 0 &&
      status === (end === 'disabled' ? 'disabled' : 'enabled')
    isRight &&= right
    result({
      bench: 'webhooks',
      engine: 'aldebaran',
      mode: 'faults',
      fault: kind,
      n: events,
      end,
      delivered,
      dead,
      status,
      requests: took.requests,
      early: took.early,
      missing: events - delivered - dead,
      duplicates: took.duplicates,
      right,
    })
  }
  const refused = await refusedAddresses(site)
  const followed = received.filter(({ path }) => path === '/redirected').reduce((sum, one) => sum + one.requests, 0)
  isRight &&= refused === FORBIDDEN.length && followed === 0
  result({
    bench: 'webhooks',
    engine: 'aldebaran',
    mode: 'faults',
    n: all.length,
    seconds,
    over: isOver,
    redirects_followed: followed,
    addresses_refused: refused,
    addresses: FORBIDDEN.length,
    right: isRight,
  })
  if (!isRight) process.exitCode = 1
}

function takenAt(received: readonly Received[], kind: string): Received {
  const path = `/${kind === 'refuse' ? 'fast' : kind}/${kind}`
  const none: Omit<Received, 'times'> = { path, requests: 0, taken: 0, duplicates: 0, early: 0, bits: new Uint8Array() }
  return received.find(one => one.path === path) ?? { ...none, times: { counts: new Uint32Array(), count: 0, max: 0 } }
}

/** How many of them no endpoint could be made with. */
async function refusedAddresses(site: WebhooksSite): Promise<number> {
  let refused = 0
  for (const url of FORBIDDEN) {
    try {
      await site.endpoint(ACCOUNT, { url })
    } catch (error) {
      if (String(error).includes('ADDRESS_REFUSED')) refused++
      else throw error
    }
  }
  return refused
}
