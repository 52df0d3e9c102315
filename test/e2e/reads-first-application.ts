/** A delivery whose destinations are what a topic that it reads says. */
import { type AttemptRecord, application, delivery, json, text, topic } from '../../src/index.ts'

export const events = topic('events', { key: text(), value: text(), partitions: 1 })
export const accounts = topic('accounts', { key: text(), value: text(), partitions: 1, compacted: true })
export const attempts = topic('attempts', { key: text(), value: json<AttemptRecord>(), partitions: 1 })

export const app = application('reads-first', {
  deliveries: [
    delivery('out', {
      from: events,
      reads: [accounts],
      attempts,
      route: (_, { latest }) => latest(accounts) ?? 'nothing-was-known',
      send: () => {},
    }),
  ],
})
