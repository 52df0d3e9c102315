/** Metrics under names of the application's own, beside those that every one has: for dashboards and scripts that know them. */
import type { Metric, Registry } from 'prom-client'
import { DELIVERY_COUNTS, DELIVERY_LEVELS } from '../delivery/environment.ts'
import { AldebaranError } from '../errors.ts'
import { DeliverySite } from './delivery-site.ts'
import type { Site } from './site.ts'

export interface HttpMetric {
  /** By the rules of Prometheus: 'webhook_success_total'. */
  name: string
  help: string
  type: 'counter' | 'gauge' | 'summary'
  /** Called whenever the metrics are asked for: a number, of a summary both. Time is in seconds. */
  read: (figures: Figures) => number | SumAndCount
}

export interface SumAndCount {
  readonly sum: number
  readonly count: number
}

/** What the workers of this process have counted since they began; levels are as of now. */
export interface Figures {
  /** @throws AldebaranError NOT_FOUND */
  delivery(name: string): DeliveryFigures
  /** From the oldest timestamp of a unit's records to its commit, s. */
  readonly latency: SumAndCount
}

/** What each means stands in `docs/metrics.md`. `trySeconds`: how long the tries took that have ended. */
export type DeliveryFigures = Readonly<
  Record<(typeof DELIVERY_COUNTS)[number] | (typeof DELIVERY_LEVELS)[number] | 'trySeconds', number>
>

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

/**
 * Of several applications that are served together they are the first one's, as its routes are.
 * @throws AldebaranError OPTION_INVALID: a name that Prometheus does not take, or that is taken
 */
export function addApplicationMetrics(site: Site, registry: Registry, metrics: readonly HttpMetric[]): void {
  for (const metric of metrics) {
    const { name, help, type } = metric
    if (!NAME.test(name) || registry.getSingleMetric(name) !== undefined) {
      throw new AldebaranError('OPTION_INVALID', `metrics: '${name}' is no name, or is there already`, {
        option: 'metrics',
      })
    }
    const get = async () => ({ name, help, type, aggregator: 'sum', values: valuesOf(site, metric) })
    registry.registerMetric({ name, help, type, aggregator: 'sum', get, reset: () => {} } as unknown as Metric)
  }
}

function valuesOf(site: Site, { name, read }: HttpMetric): object[] {
  const value = read(figuresOf(site))
  const labels = { application: site.applications[0]!.application.name }
  if (typeof value === 'number') return [{ metricName: name, labels, value }]
  return [
    { metricName: `${name}_sum`, labels, value: value.sum },
    { metricName: `${name}_count`, labels, value: value.count },
  ]
}

function figuresOf(site: Site): Figures {
  const { application, workers } = site.applications[0]!
  const sum = (name: 'latencyMs' | 'latencyCount'): number =>
    workers.reduce((all, { measures }) => all + measures.get(name), 0)
  return {
    delivery(name) {
      const found = DeliverySite.find(site, name, application.name)
      const names = [...DELIVERY_COUNTS, ...DELIVERY_LEVELS]
      const figures = Object.fromEntries(names.map(one => [one, found.measure(one)]))
      return { ...figures, trySeconds: found.measure('tryMs') / 1000 } as DeliveryFigures
    },
    latency: { sum: sum('latencyMs') / 1000, count: sum('latencyCount') },
  }
}
