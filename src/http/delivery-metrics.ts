/** The metrics of deliveries, each by application and delivery. Values are read when they are asked for. */
import { Counter, Gauge, type Metric, type Registry } from 'prom-client'
import type { DeliveryMeasure } from '../runtime/measures.ts'
import { DeliverySite } from './delivery-site.ts'
import type { Site } from './site.ts'

const COUNTERS: readonly (readonly [name: string, help: string, measure: DeliveryMeasure])[] = [
  ['taken', 'Events taken in, one for each destination of a record', 'taken'],
  ['tries', 'Tries begun', 'tries'],
  ['delivered', 'Events delivered', 'delivered'],
  ['failed', 'Tries that failed, throttled ones too', 'failed'],
  ['retried', 'Tries that failed, and are followed by another one', 'retried'],
  ['dead', 'Events that became dead letters', 'dead'],
  ['in_doubt', 'Events that came in doubt', 'inDoubt'],
  ['duplicates', 'Events passed over, for they had been taken in before', 'duplicates'],
]

const GAUGES: readonly (readonly [name: string, help: string, measure: DeliveryMeasure])[] = [
  ['waiting', 'Events that wait for their turn', 'waiting'],
  ['scheduled', 'Events that wait for their time', 'scheduled'],
  ['doubtful', 'Events in doubt, which wait for a decision', 'doubtful'],
  ['under_way', 'Tries under way', 'underWay'],
  ['destinations', 'Destinations that are known', 'destinations'],
  ['broken', 'Destinations whose breaker is not closed', 'broken'],
  ['paused', 'Destinations that are paused', 'paused'],
]

const LABELS = ['application', 'delivery'] as const

export function addDeliveries(site: Site, registry: Registry): void {
  const registers = [registry]
  const deliveries = DeliverySite.all(site, undefined).map(one => ({
    one,
    labels: { application: one.application, delivery: one.name },
  }))
  for (const [name, help, measure] of COUNTERS) {
    new Counter({
      name: `aldebaran_delivery_${name}_total`,
      help,
      labelNames: LABELS,
      registers,
      collect() {
        this.reset()
        for (const { one, labels } of deliveries) this.inc(labels, one.measure(measure))
      },
    })
  }
  for (const [name, help, measure] of GAUGES) {
    new Gauge({
      name: `aldebaran_delivery_${name}`,
      help,
      labelNames: LABELS,
      registers,
      collect() {
        this.reset()
        for (const { one, labels } of deliveries) this.set(labels, one.measure(measure))
      },
    })
  }
  new Counter({
    name: 'aldebaran_delivery_counter_total',
    help: 'What the application counts by counters of its own',
    labelNames: [...LABELS, 'counter'],
    registers,
    collect() {
      this.reset()
      for (const { one, labels } of deliveries) {
        for (const [counter, value] of one.counters()) this.inc({ ...labels, counter }, value)
      }
    },
  })
  const name = 'aldebaran_delivery_seconds'
  const help = 'How long tries took'
  const metric = {
    name,
    help,
    type: 'summary',
    aggregator: 'sum',
    get: async () => ({
      name,
      help,
      type: 'summary',
      aggregator: 'sum',
      values: deliveries.flatMap(({ one, labels }) => [
        { metricName: `${name}_sum`, labels, value: one.measure('tryMs') / 1000 },
        { metricName: `${name}_count`, labels, value: one.measure('tries') },
      ]),
    }),
    reset: () => {},
  }
  registry.registerMetric(metric as unknown as Metric)
}
