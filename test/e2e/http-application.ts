/** What the HTTP tests serve: a small shop. Worker threads import it too. */
import {
  application,
  avro,
  bytes,
  embedded,
  int64,
  json,
  pipeline,
  type Running,
  t,
  text,
  topic,
} from '../../src/index.ts'
import { start } from '../../src/runtime/start.ts'

export const orders = topic('orders', {
  key: int64(),
  value: avro('Order', {
    id: t.long,
    client: t.string,
    amount: t.double,
    express: t.withDefault(t.boolean, false),
    note: t.optional(t.string),
  }),
  partitions: 2,
  keyOf: order => order.id,
})
export const totals = topic('totals', {
  key: int64(),
  value: json<{ id: number; total: number }>(),
  partitions: 2,
})
export const blobs = topic('blobs', { key: text(), value: bytes(), partitions: 1 })
export const notes = topic('notes', { key: text(), value: json<unknown>(), partitions: 3 })
/** Several values in one array are one value here. */
export const lists = topic('lists', {
  key: text(),
  value: json<number[]>({ type: 'array', items: { type: 'number' } }),
  partitions: 1,
})

/** An order of this amount is poison, but when it is replayed. */
export const POISON = 666
const shop = pipeline('shop')
const books = shop.table('books', {
  key: int64(),
  row: { client: t.string, total: t.double, orders: t.int, raw: t.bytes, big: t.bigint },
  timers: { forget: 'processing' },
})
shop
  .from(orders)
  .into(books, (order, book, context) => {
    if (order.amount === POISON && !context.headers().some(header => header.key === 'aldebaran.replay-of')) {
      throw new Error(`an amount of ${POISON}`)
    }
    book.client = order.client
    book.total += order.amount
    book.orders++
    book.big = 2n ** 60n
    if (order.note === 'late') book.forget = context.now
    return { id: book.key, total: book.total }
  })
  .to(totals)
books.on('forget', book => {
  if (book.client === 'unforgettable') throw new Error('cannot forget')
  book.delete()
})

export const app = application('shop', { pipelines: [shop], topics: [blobs, notes, lists] })

export function startShop(folder: string, maxSize: string): Promise<Running> {
  const log = embedded(folder, { durability: 'process', maxSize })
  return start(app, { log, entry: new URL(import.meta.url), workers: 2 })
}
