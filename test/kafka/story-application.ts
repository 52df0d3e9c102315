/** A delivery that fails everything, so that all of it waits. STORY_NAME says what its topics are called: see `story-node.ts`. */
import { type AttemptRecord, application, DeliveryError, delivery, json, text, topic } from '../../src/index.ts'

export const PARTITIONS = 4

export function ordersOf(name: string) {
  return topic(`${name}-orders`, { key: text(), value: text(), partitions: PARTITIONS })
}

const { STORY_NAME = 'story' } = process.env

export const app = application(STORY_NAME, {
  deliveries: [
    delivery('post', {
      from: ordersOf(STORY_NAME),
      route: order => ({ destination: order.startsWith('paused') ? 'paused' : 'sick', id: order }),
      attempts: topic(`${STORY_NAME}-tries`, { key: text(), value: json<AttemptRecord>(), partitions: PARTITIONS }),
      retry: { schedule: ['1h'] },
      breaker: false,
      send: () => {
        throw new DeliveryError('retry', 'it is sick', { detail: { status: 503 } })
      },
    }),
  ],
})
