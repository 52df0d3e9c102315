/** An alert as people read it, and what says that it is the same one. */
import { createHash } from 'node:crypto'
import type { AlertMessage } from 'aldebaran'
import type { AlertKind } from './rules.ts'

/** The value of the topic of alerts, in either spelling of ids. */
export interface AlertValue {
  readonly orderId: string | number
  readonly kind: AlertKind
  readonly requested: number
  readonly purchased: number
  /** Microseconds since 1970. */
  readonly ts: number
  readonly client: string
  readonly stock: string
}

/** Of an id in the clear, UTF-16 units. An order id may be longer than a key of a table. */
const LONGEST_ID = 300
/** Date takes no larger number, ms. */
const LAST_DATE = 8.64e15

/** The same over tries, restarts and replays: an order has one alert of a kind. */
export function alertId({ orderId, kind }: AlertValue): string {
  const id = `${orderId}/${kind}`
  return id.length <= LONGEST_ID ? id : `${createHash('sha256').update(id).digest('hex')}/${kind}`
}

export function alertMessage(alert: AlertValue): AlertMessage {
  const { orderId, kind, requested, purchased, ts, client, stock } = alert
  const isOverbought = kind === 'OVERBOUGHT'
  const what = isOverbought
    ? `purchased ${sharesOf(purchased)}, ${sharesOf(purchased - requested)} more than requested`
    : `purchased ${sharesOf(purchased)} without PR`
  const who = client === '' ? 'not known' : client
  return {
    title: `${isOverbought ? `${who}: ` : ''}${what}: ${stock}, order ${orderId}`,
    text: [
      `${isOverbought ? `For ${who} we ${what}` : `We ${what}: no purchase request came in time`} (${kind}).`,
      '',
      `Order: ${orderId}`,
      `Client: ${who}`,
      `Stock: ${stock}`,
      `Requested: ${isOverbought ? sharesOf(requested) : 'nothing'}`,
      `Purchased: ${sharesOf(purchased)}`,
      `Alert: ${alertId(alert)}`,
    ].join('\n'),
    // A request that is missing may only be late.
    severity: isOverbought ? 'critical' : 'warning',
    source: client === '' ? `order ${orderId}` : client,
    time: Math.min(Math.max(Math.floor(ts / 1000), -LAST_DATE), LAST_DATE),
    data: { kind, order: orderId, client, stock, requested, purchased, ts },
  }
}

function sharesOf(count: number): string {
  return count === 1 ? '1 share' : `${count} shares`
}
