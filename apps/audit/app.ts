/**
 * The trade auditor. A book is kept for each order: its request, and the sum of its purchases. When they exceed the
 * request, or no request came in time, one alert is written. `rules.ts` has the rules, this file the plumbing.
 *
 *     trades (JSON) ─► intake ─┬─► purchase-requests ─┐
 *                              └─► purchases ─────────┴─► books ─► alerts ─► channels
 *
 * Fast senders write Avro to `purchase-requests` and `purchases` themselves.
 */
import {
  type AnyTopic,
  type Application,
  application,
  avro,
  int64,
  json,
  pipeline,
  type Schema,
  type Topic,
  t,
  text,
  topic,
} from 'aldebaran'
import type { AuditChannel } from './channels.ts'
import { alertDeliveries } from './deliveries.ts'
import { parseMessage } from './json.ts'
import { type AlertKind, alertTs, BOOK_STATES, type BookRow, purchase, request, timeout } from './rules.ts'
import { type AuditSchemas, auditSchemas, type IdOf, type IdSpelling } from './schemas.ts'

export interface AuditSettings<S extends IdSpelling = IdSpelling> {
  /** How order ids are spelled: as 64-bit integers (fastest), or as text (UUIDs, and integers too). */
  ids: S
  /** Δt, ms: how long a book waits for its request, stays open after it, and is remembered once closed. Default 10 s. */
  deltaMs?: number
  /** Default 4. */
  partitions?: number
  /** Of the application: its groups and its own topics begin with it. Default 'audit'. */
  name?: string
  /** Topics under other names than those of TOPICS. */
  topics?: Partial<Record<keyof typeof TOPICS, string>>
  /** Where alerts go beside their topic. Default: nowhere. */
  channels?: readonly AuditChannel[]
}

export const TOPICS = {
  /** JSON messages of both kinds, as outside systems spell them. */
  trades: 'trades',
  requests: 'purchase-requests',
  purchases: 'purchases',
  alerts: 'alerts',
} as const

export interface Audit {
  readonly application: Application
  readonly trades: Topic<string, unknown>
  readonly requests: AnyTopic
  readonly purchases: AnyTopic
  readonly alerts: AnyTopic
}

export function buildAudit(settings: AuditSettings): Audit {
  return settings.ids === 'integer'
    ? build(auditSchemas('integer'), int64(), { ...settings, ids: 'integer' })
    : build(auditSchemas('text'), text(), { ...settings, ids: 'text' })
}

function build<S extends IdSpelling>(
  shapes: AuditSchemas<IdOf<S>>,
  id: Schema<IdOf<S>>,
  settings: AuditSettings<S>,
): Audit {
  const delta = settings.deltaMs ?? 10_000
  const partitions = settings.partitions ?? 4
  const names = { ...TOPICS, ...settings.topics }

  const trades = topic(names.trades, { key: text(), value: json<unknown>(), partitions, retentionTime: '1d' })
  const requests = topic(names.requests, {
    key: id,
    value: avro(shapes.request.name, shapes.request.fields),
    partitions,
    retentionTime: '7d',
    keyOf: value => value.id,
  })
  const purchases = topic(names.purchases, {
    key: id,
    value: avro(shapes.purchase.name, shapes.purchase.fields),
    partitions,
    retentionTime: '7d',
    keyOf: value => value.orderId,
  })
  const alerts = topic(names.alerts, {
    key: id,
    value: avro(shapes.alert.name, shapes.alert.fields),
    partitions,
    keyOf: value => value.orderId,
  })

  const intake = pipeline('intake', { sends: [requests, purchases] })
  intake.from(trades).each((json, context) => {
    const message = parseMessage(json, settings.ids)
    const ts = message.ts ?? context.timestamp * 1000
    const { shares, client, stock } = message
    if (message.kind === 'request') {
      context.send(requests, message.id, { id: message.id, shares, client, stock, ts })
    } else {
      context.send(purchases, message.orderId, { id: message.id, orderId: message.orderId, shares, stock, ts })
    }
  })

  const audit = pipeline('audit')
  const books = audit.table('books', {
    key: id,
    row: {
      state: t.enum(BOOK_STATES, 'BookState'),
      requested: t.int,
      purchased: t.long,
      firstTs: t.long,
      lastTs: t.long,
      client: t.string,
      stock: t.string,
    },
    timers: { close: 'processing' },
  })

  type Book = BookRow & { readonly key: IdOf<S> }
  const alert = (kind: AlertKind | null, book: Book) =>
    kind === null
      ? undefined
      : {
          orderId: book.key,
          kind,
          requested: book.requested,
          purchased: book.purchased,
          ts: alertTs(book, kind),
          client: book.client,
          stock: book.stock,
        }

  audit
    .from(requests)
    .into(books, ({ shares, client, stock }, book, { now }) =>
      alert(request(book, shares, now, delta, client, stock), book),
    )
    .to(alerts)
  audit
    .from(purchases)
    .into(books, (bought, book, { now }) =>
      alert(purchase(book, bought.shares, bought.ts, now, delta, bought.stock), book),
    )
    .to(alerts)
  books
    .on('close', (book, { now }) => {
      const kind = timeout(book, now, delta)
      if (kind === null) book.delete()
      return alert(kind, book)
    })
    .to(alerts)

  return {
    application: application(settings.name ?? 'audit', {
      pipelines: [intake, audit],
      deliveries: alertDeliveries(alerts, settings.channels ?? [], delta),
    }),
    trades,
    requests,
    purchases,
    alerts,
  }
}
