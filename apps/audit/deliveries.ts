/**
 * What brings the alerts to people: two deliveries of the topic of alerts, and a destination of each for each channel.
 *
 * 1. A channel gets an alert once. One that knows a repetition by its key may be tried again whatever happened; of any
 *    other nothing is sent again that may have been delivered: it is in doubt.
 * 2. An alert is remembered for twice as long as one may be old that is sent. So reading the topic again, from wherever,
 *    sends none a second time.
 */
import { type Delivery, DeliveryError, delivery, type Topic } from 'aldebaran'
import { type AuditChannel, shareOf } from './channels.ts'
import { type AlertValue, alertId, alertMessage } from './message.ts'

/** Of channels that do not know a repetition. */
const ONCE = 'alerts-once'
/** Of channels that take a key with each alert, and pass it on once. */
const KEYED = 'alerts-keyed'

/** An alert older than that is sent to nobody: as long as the messages are kept that it may come of, ms. */
const OLDEST_MS = 7 * 86_400_000
/** A channel gives a try up by itself; the delivery would know less of it. */
const LONGER_MS = 10_000

/** Of the two those that have channels. `deltaMs`: how long books are remembered. */
export function alertDeliveries<Id, V extends AlertValue>(
  alerts: Topic<Id, V>,
  channels: readonly AuditChannel[],
  deltaMs: number,
): Delivery[] {
  const keyed = channels.filter(({ channel }) => channel.idempotent)
  const once = channels.filter(({ channel }) => !channel.idempotent)
  return [
    ...(once.length === 0 ? [] : [deliver(ONCE, 'at-most-once', alerts, once, deltaMs)]),
    ...(keyed.length === 0 ? [] : [deliver(KEYED, 'at-least-once', alerts, keyed, deltaMs)]),
  ]
}

function deliver<Id, V extends AlertValue>(
  name: string,
  guarantee: 'at-least-once' | 'at-most-once',
  alerts: Topic<Id, V>,
  channels: readonly AuditChannel[],
  deltaMs: number,
): Delivery {
  const byName = new Map(channels.map(one => [one.name, one]))
  const oldest = Math.max(OLDEST_MS, 2 * deltaMs)
  const { partitions } = alerts.options
  return delivery(name, {
    from: alerts,
    guarantee,
    route: (alert, { timestamp, now }) => {
      const id = alertId(alert)
      return channels
        .filter(({ since }) => timestamp >= since && timestamp >= now - oldest)
        .map(one => ({ destination: one.name, id }))
    },
    send: async (alert, attempt) => {
      const one = byName.get(attempt.destination)
      // As a dead letter it can be replayed once the channel is there again.
      if (one === undefined) throw new DeliveryError('reject', 'the auditor has no such channel any more')
      await one.channel.send(alertMessage(alert), attempt)
    },
    close: () => {
      for (const { channel } of channels) channel.close()
    },
    retry: { first: '1s', longest: '10m', attempts: Number.POSITIVE_INFINITY, deadline: '3d' },
    timeout: Math.max(...channels.map(({ timeout }) => timeout)) + LONGER_MS,
    limits: {
      // Limits are of a task, and a channel has one in each partition.
      destination: channel => {
        const { rate = null, concurrency = 1 } = byName.get(channel) ?? {}
        return {
          concurrency: Math.max(1, Math.floor(concurrency / partitions)),
          ...(rate === null ? {} : { rate: shareOf(rate, partitions) }),
        }
      },
    },
    deduplicate: 2 * oldest,
  })
}
