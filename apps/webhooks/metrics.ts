/** The notifier's metrics under the names that dashboards and autoscalers of webhook senders ask for. */
import type { HttpMetric } from 'aldebaran'
import { DELIVERY } from './app.ts'

export const webhookMetrics: readonly HttpMetric[] = [
  {
    name: 'kafka_batch_processing_time_seconds',
    help: 'From the oldest record of a batch to its commit',
    type: 'summary',
    read: ({ latency }) => latency,
  },
  {
    name: 'kafka_event_count_total',
    help: 'Events taken in, one for each endpoint that wants it',
    type: 'counter',
    read: figures => figures.delivery(DELIVERY).taken,
  },
  {
    name: 'webhook_execution_seconds',
    help: 'How long tries took that have ended',
    type: 'summary',
    read: figures => {
      const { trySeconds: sum, delivered, failed } = figures.delivery(DELIVERY)
      return { sum, count: delivered + failed }
    },
  },
  {
    name: 'webhook_success_total',
    help: 'Tries that were answered with 2xx',
    type: 'counter',
    read: figures => figures.delivery(DELIVERY).delivered,
  },
  {
    name: 'webhook_failure_total',
    help: 'Tries that failed, throttled ones too',
    type: 'counter',
    read: figures => figures.delivery(DELIVERY).failed,
  },
  {
    name: 'circuit_open',
    help: 'Endpoints whose breaker is not closed',
    type: 'gauge',
    read: figures => figures.delivery(DELIVERY).broken,
  },
]
