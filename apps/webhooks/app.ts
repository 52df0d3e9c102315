/**
 * The webhook notifier: tells the systems of customers what happened, by Standard Webhooks 1.0.0.
 *
 *     webhooks.changes ─► accounts ─► webhooks.accounts ─┐
 *                            ▲                           ▼
 *     webhooks.events ───────┼────────────────────────► webhooks ─► endpoints
 *                            └── webhooks.notices ◄──────┴─► webhooks.attempts
 *
 * Everything is keyed by the account, so all of an account is in one partition: an event is routed by the endpoints as
 * they were when it came. `accounts.ts` has what changes an account, `sending.ts` a try.
 */
import {
  AldebaranError,
  type Application,
  type Attempt,
  type AttemptRecord,
  application,
  bytes,
  DESTINATION_HEADER,
  DeliveryError,
  type DeliveryNotice,
  type DeliverySettings,
  delivery,
  json,
  parseDuration,
  partitionOf,
  pipeline,
  type RetrySettings,
  type Route,
  type RouteContext,
  type Topic,
  t,
  text,
  topic,
} from 'aldebaran'
import type { HttpSenderSettings } from 'aldebaran/webhooks'
import { type Account, applyChange, type Change, disableByItself, type Endpoint, newAccount } from './accounts.ts'
import { Enricher, type Enrichment, LOOKUP_COUNTERS } from './enrichment.ts'
import { Vault } from './sealing.ts'
import { WebhookSender } from './sending.ts'
import { SubscriptionCache } from './subscriptions.ts'

export interface WebhooksSettings {
  /** What secrets are sealed with: 32 bytes in base64; several with commas, the first one seals. */
  key: string
  /** Of each topic, fixed with the first start. Default 4. */
  partitions?: number
  /** Default: 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h after the try before, each a fifth earlier or later. */
  retry?: RetrySettings
  /** Of one try, to the end of the answer. Default '20s'. */
  timeout?: string | number
  /** An endpoint that did nothing but fail for so long is disabled. Default '5d'. */
  disableAfter?: string | number
  /** An event with an id that was taken in within that time is passed over. Default '1d'. */
  deduplicate?: string | number
  /** How long the records of tries are kept. Default '7d'. */
  attemptsRetention?: string | number
  /** How long events are kept that were taken in. Default '7d'. */
  eventsRetention?: string | number
  limits?: DeliverySettings['limits']
  breaker?: DeliverySettings['breaker']
  /** What events are given beside their own data, when they are sent. Default: nothing, and they go as they came. */
  enrich?: readonly Enrichment[]
  /** Where it may be sent to, and who says what address a host has. */
  sender?: Pick<HttpSenderSettings, 'addresses' | 'names' | 'tls' | 'connections'>
  /** Origins that may be sent to whatever the rules of `sender` say, such as 'http://127.0.0.1:4000'. */
  trusted?: readonly string[]
}

export interface Webhooks {
  readonly application: Application
  /** Payloads as they are sent, under the account; headers `id` and `type`. */
  readonly events: Topic<string, Uint8Array>
  readonly changes: Topic<string, Change>
  readonly accounts: Topic<string, Account>
  readonly attempts: Topic<string, AttemptRecord>
  readonly notices: Topic<string, DeliveryNotice>
  readonly vault: Vault
  /** Also says which addresses may be used. */
  readonly sender: WebhookSender
}

export const DELIVERY = 'webhooks'
/** The delivery's own copy of the accounts: what this table shows, all later events are routed by. */
export const ROUTED_BY = 'latest.webhooks.accounts'
export const EVENT_ID = /^[\w:-]{1,128}$/
export const EVENT_TYPE = /^[a-zA-Z0-9_.-]{1,128}$/

const SCHEDULE = ['5s', '5m', '30m', '2h', '5h', '10h', '14h', '20h', '24h']
/** The sender ends a try first, and says why. */
const MARGIN_MS = 2000

export function buildWebhooks(settings: WebhooksSettings): Webhooks {
  const { partitions = 4, timeout = '20s', retry = { schedule: SCHEDULE } } = settings
  const keyed = { key: text(), partitions }
  const events = topic('webhooks.events', {
    ...keyed,
    value: bytes(),
    retentionTime: settings.eventsRetention ?? '7d',
  })
  const changes = topic('webhooks.changes', { ...keyed, value: json<Change>(), retentionTime: '30d' })
  const accounts = topic('webhooks.accounts', { ...keyed, value: json<Account>(), compacted: true })
  const attempts = topic('webhooks.attempts', {
    ...keyed,
    value: json<AttemptRecord>(),
    retentionTime: settings.attemptsRetention ?? '7d',
  })
  const notices = topic('webhooks.notices', { ...keyed, value: json<DeliveryNotice>(), retentionTime: '30d' })
  const vault = new Vault(settings.key)
  const sender = new WebhookSender(vault, { ...settings.sender, timeout }, settings.trusted ?? [])
  const subscriptions = new SubscriptionCache()
  const { enrich = [] } = settings
  const enricher = new Enricher(enrich)
  const endpointOf = (attempt: Attempt): Endpoint => {
    const account = attempt.latest(accounts)
    const endpoint = account === undefined ? undefined : subscriptions.of(account).endpoint(attempt.destination)
    if (endpoint === undefined) throw new DeliveryError('reject', 'the endpoint was deleted')
    if (endpoint.status === 'disabled') throw new DeliveryError('reject', 'the endpoint is disabled')
    return endpoint
  }

  const webhooks = delivery(DELIVERY, {
    from: events,
    reads: [accounts],
    attempts,
    notices,
    retry,
    timeout: parseDuration(timeout, 'timeout') + Enricher.longestMs(enrich) + MARGIN_MS,
    disableAfter: settings.disableAfter ?? '5d',
    counters: LOOKUP_COUNTERS,
    deduplicate: settings.deduplicate ?? '1d',
    ...(settings.limits === undefined ? {} : { limits: settings.limits }),
    ...(settings.breaker === undefined ? {} : { breaker: settings.breaker }),
    route: (payload, context) => {
      const { id, type, only } = eventOf(payload, context)
      const { key: tenant } = context
      // A replay and a test are wanted, whatever the filters say; `send` knows whether they still can be.
      if (only !== undefined) return { destination: only, tenant, id }
      const account = context.latest(accounts)
      if (account === undefined) return requirePlace(tenant, context.partition, partitions)
      return subscriptions
        .of(account)
        .of(type)
        .map((destination): Route => ({ destination, tenant, id }))
    },
    send: (payload, attempt) => {
      const endpoint = endpointOf(attempt)
      const type = textOf(attempt.headers, 'type') ?? (enrich.length === 0 ? '' : typeIn(payload))
      const steps = enricher.of(type)
      if (steps.length === 0) return sender.send(payload, type, endpoint, attempt)
      const enriching = enricher.enrich(steps, payload, type, attempt)
      // The endpoint may have changed meanwhile.
      return enriching.then(({ body, lookups }) => sender.send(body, type, endpointOf(attempt), attempt, lookups))
    },
    close: () => Promise.all([enricher.close(), sender.close()]),
  })
  return {
    application: application('webhooks', {
      pipelines: [accountsPipeline({ changes, accounts, notices })],
      deliveries: [webhooks],
    }),
    events,
    changes,
    accounts,
    attempts,
    notices,
    vault,
    sender,
  }
}

function accountsPipeline({ changes, accounts, notices }: Pick<Webhooks, 'changes' | 'accounts' | 'notices'>) {
  const made = pipeline('accounts')
  const table = made.table('accounts', { key: text(), row: { account: t.string }, store: 'disk' })
  made
    .from(changes)
    .into(table, (change, row, { key, offset }) => {
      const account = applyChange(row.exists ? parseAccount(row.account) : newAccount(key), change, offset)
      row.account = JSON.stringify(account)
      return account
    })
    .to(accounts)
  made
    .from(notices)
    .keyBy('disabled', notice => notice.tenant, {
      key: text(),
      value: notices.value,
      partitions: accounts.options.partitions,
    })
    .into(table, (notice, row) => {
      if (!row.exists) return undefined
      const account = disableByItself(parseAccount(row.account), notice.destination, notice.reason, notice.at)
      if (account === null) return undefined
      row.account = JSON.stringify(account)
      return account
    })
    .to(accounts)
  return made
}

function parseAccount(json: string): Account {
  return JSON.parse(json) as Account
}

/** Who writes to the topic may leave out both headers: the type is in the payload then, and the place gives the id. */
function eventOf(payload: Uint8Array, context: RouteContext<Topic<string, Uint8Array>>) {
  const headers = context.headers()
  const id = textOf(headers, 'id') ?? `msg_${context.partition}_${context.offset}`
  const type = textOf(headers, 'type') ?? typeIn(payload)
  if (!EVENT_ID.test(id)) throw invalid('id', 'of an event has 1 to 128 letters, digits, - _ and :')
  if (!EVENT_TYPE.test(type)) throw invalid('type', 'of an event has 1 to 128 letters, digits, - _ and .')
  if (typeof context.key !== 'string' || context.key === '') throw invalid('key', 'of an event is its account')
  return { id, type, only: textOf(headers, DESTINATION_HEADER) }
}

/**
 * Whoever spreads keys in another way puts events where nobody knows their account.
 * @throws AldebaranError VALUE_INVALID
 */
function requirePlace(account: string, partition: number, partitions: number): undefined {
  const key = Buffer.from(account)
  const right = partitionOf(key, 0, key.length, partitions)
  if (right === partition) return
  throw invalid('key', `${account} belongs into partition ${right}, by murmur2 as Kafka's own clients have it`)
}

function typeIn(payload: Uint8Array): string {
  const { type } = JSON.parse(Buffer.from(payload).toString()) as { type?: unknown }
  return typeof type === 'string' ? type : ''
}

function textOf(headers: readonly { key: string; value: Uint8Array | null }[], name: string): string | undefined {
  const value = headers.find(({ key }) => key === name)?.value
  if (value === undefined || value === null) return undefined
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()
}

function invalid(field: string, what: string): AldebaranError {
  return new AldebaranError('VALUE_INVALID', `the ${field} ${what}`, { path: field })
}
