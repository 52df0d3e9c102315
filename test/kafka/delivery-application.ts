/** An application with one delivery by HTTP, under a name of its own: see `delivery-node.ts`. */
import {
  type Application,
  application,
  DeliveryError,
  type DeliveryGuarantee,
  delivery,
  text,
  topic,
} from '../../src/index.ts'

export const PARTITIONS = 4

export function ordersOf(name: string) {
  return topic(`${name}-orders`, { key: text(), value: text(), partitions: PARTITIONS })
}

/** `receiver`: where each order is posted to. */
export function posting(name: string, guarantee: DeliveryGuarantee, receiver: string): Application {
  const post = delivery('post', {
    from: ordersOf(name),
    guarantee,
    retry: { first: '50ms', attempts: Number.POSITIVE_INFINITY },
    send: async (order, { id, signal }) => {
      const response = await fetch(receiver, { method: 'POST', body: order, headers: { 'x-id': id }, signal })
      await response.body?.cancel()
      if (!response.ok) throw new DeliveryError('retry', `status ${response.status}`)
    },
  })
  return application(name, { deliveries: [post] })
}

const { DELIVERY_NAME = 'posting', DELIVERY_GUARANTEE = 'at-least-once', DELIVERY_RECEIVER = '' } = process.env

/** Each thread makes it from what the process was given. */
export const app = posting(DELIVERY_NAME, DELIVERY_GUARANTEE as DeliveryGuarantee, DELIVERY_RECEIVER)
