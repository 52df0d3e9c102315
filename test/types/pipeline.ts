/**
 * What the compiler must refuse, and what it must infer. Nothing here runs: `npm run check` compiles it, and an error
 * that no longer comes is an error itself.
 */
import { avro, int64, pipeline, t, text, topic } from '../../src/index.ts'

const orders = topic('orders', {
  key: text(),
  value: avro('Order', { id: t.string, amount: t.int, note: t.optional(t.string), kind: t.enum(['buy', 'sell']) }),
  keyOf: value => value.id,
})
const payments = topic('payments', { key: int64(), value: avro('Payment', { cents: t.long }) })
const events = topic('events', { key: text(), value: avro('Event', { text: t.string }) })

const p = pipeline('p', { sends: [events] })
const totals = p.table('totals', {
  key: text(),
  row: { sum: t.long, last: t.optional(t.string) },
  timers: { close: 'processing' },
})

// What flows is what the topic holds.
p.from(orders).map(order => {
  const amount: number = order.amount
  const note: string | null = order.note
  const kind: 'buy' | 'sell' = order.kind
  // @ts-expect-error there is no such field
  order.price
  // @ts-expect-error an amount is a number
  const wrong: string = order.amount
  return [amount, note, kind, wrong]
})

// A row has the fields and timers of its table, each of its own type.
p.from(orders).into(totals, (order, row, context) => {
  row.sum += order.amount
  row.last = null
  row.close = context.now + 1000
  const key: string = row.key
  // @ts-expect-error a sum is a number
  row.sum = 'ten'
  // @ts-expect-error there is no such field
  row.total = 1
  // @ts-expect-error a key cannot be changed
  row.key = key
})

// A stream goes only into tables and topics of its own key, and topics of its own value.
// @ts-expect-error payments are keyed by int64, the table by text
p.from(payments).into(totals, () => {})
// @ts-expect-error an order is no event
p.from(orders).to(events)
const texts = p.from(payments).map(() => ({ text: '' }))
// @ts-expect-error keyed by another type
texts.to(events)
p.from(orders)
  .map(order => ({ text: order.id }))
  .to(events)

// What a handler returns goes on; what it returns nothing for does not.
p.from(orders)
  .into(totals, (order, row) => (row.sum > 100 ? { text: order.id } : undefined))
  .to(events)

// send takes the topics that were declared, with their keys and values.
p.from(orders).each((order, context) => {
  context.send(events, order.id, { text: 'ok' })
  // @ts-expect-error payments is not among the sends
  context.send(payments, 1, { cents: 1 })
  // @ts-expect-error the key is a text
  context.send(events, 7, { text: 'ok' })
  // @ts-expect-error the value has a text
  context.send(events, order.id, { cents: 1 })
})

// Timers are known by name.
totals.on('close', row => row.delete())
// @ts-expect-error there is no such timer
totals.on('open', () => {})

// keyBy gives the type of the new key.
p.from(orders)
  .keyBy('by-amount', order => order.amount, { key: int64(), value: orders.value })
  .map((_, context) => {
    const key: number = context.key
    return key
  })

// @ts-expect-error the new key is a number, not a text
p.from(orders).keyBy('by-id', order => order.id, { key: int64(), value: orders.value })

// Joins give both sides with their types, null where one may be missing; late records tell their side.
const lefts = p.from(orders)
const latest = p.tableOf(events)
lefts.join(latest, (order, event) => ({ text: event.text + order.id })).to(events)
lefts.leftJoin(latest, (order, event) => {
  // @ts-expect-error there may be none
  event.text
  return order.id
})
const within = { within: '5m', left: orders.value, right: events.value }
const pairs = lefts.leftJoin(p.from(events), 'pairs', within, (order, event) => ({ text: event?.text ?? order.id }))
pairs.to(events)
pairs.late.each(late => {
  if (late.side === 'right') {
    const said: string = late.value.text
    return said
  }
  const amount: number = late.value.amount
  return amount
})
// @ts-expect-error the right side is an event
lefts.join(p.from(events), 'wrong', { within: 1, left: orders.value, right: orders.value }, () => 0)
// @ts-expect-error payments are keyed by int64, orders by text
lefts.join(p.from(payments), 'wrong', { within: 1, left: orders.value, right: payments.value }, () => 0)
// @ts-expect-error keyed by another type
lefts.join(p.tableOf(payments), () => 0)
const changes = latest.outerJoin(p.from(orders).toTable('orders', { value: orders.value }), (event, order) => {
  // @ts-expect-error there may be none
  order.amount
  return { text: event?.text ?? '' }
})
changes.to(events)
changes.toStream().map(change => {
  // @ts-expect-error it may be gone
  change.text
  return change?.text
})
