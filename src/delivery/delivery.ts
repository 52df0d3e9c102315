import { checkName } from '../pipeline/pipeline.ts'
import { ANY_TIME } from '../pipeline/source-time.ts'
import { type AnyTopic, type Topic, topic } from '../pipeline/topic.ts'
import type { SubTopology, Topology } from '../pipeline/topology.ts'
import { json } from '../schema/json.ts'
import { text } from '../schema/primitives.ts'
import type { TableDefinition } from '../state/contract.ts'
import type { DeliverySettings } from './contract.ts'
import { type CompiledDelivery, compileDelivery } from './settings.ts'
import { DESTINATIONS, DUE, latestTable, SEEN } from './tables.ts'

/** What is to happen outside with each record of a topic. */
export interface Delivery {
  readonly name: string
  readonly compiled: CompiledDelivery
}

/** The part of a topology that a delivery is: one of its tasks for each partition of the topic. */
export interface DeliveryPart extends SubTopology {
  readonly delivery: CompiledDelivery
  /** What operators tell it. */
  readonly control: AnyTopic
}

/**
 * Records of a topic go outside: each to where `route` says, by `send`. Belongs to an application: `deliveries` of its
 * settings. `name` must stay the same over releases.
 * @throws AldebaranError OPTION_INVALID, NAME_INVALID
 */
export function delivery<T extends AnyTopic>(name: string, settings: DeliverySettings<T>): Delivery {
  checkName(name, 'delivery')
  return { name, compiled: compileDelivery(name, settings) }
}

export function controlTopic(application: string, delivery: string, partitions: number): Topic<string, unknown> {
  const made = topic(`${application}.${delivery}.control`, { key: text(), value: json(), partitions })
  return { ...made, options: { ...made.options, internal: true } }
}

export function deliveryTopology(application: string, { name, compiled }: Delivery): Topology {
  const { source } = compiled
  const { partitions } = source.options
  const control = controlTopic(application, name, partitions)
  const { reads, attempts, notices } = compiled
  const seen = compiled.deduplicate > 0 ? [SEEN] : []
  const tables = [DUE, DESTINATIONS, ...seen, ...reads.map(({ name: read }) => latestTable(read))]
  const part: DeliveryPart = {
    name,
    pipeline: name,
    partitions,
    sources: [source, control, ...reads].map(one => ({
      kind: 'source',
      next: [],
      topic: one,
      time: ANY_TIME,
      timestampOf: null,
      writers: 0,
      takesNull: reads.includes(one),
    })),
    tables: tables.map((definition: TableDefinition) => ({ definition, timers: [] })),
    usesEventTime: false,
    relays: [],
    delivery: compiled,
    control,
  }
  const sinks = [attempts, notices].filter(one => one !== null)
  return { pipeline: name, parts: [part], topics: [source, control, ...reads, ...sinks], repartitions: new Map() }
}

/** Asked for as if it were a table: the destinations as they are now, those too of which no row is kept. */
export const LIVE_DESTINATIONS = 'destinations.live'

export function isDeliveryPart(part: SubTopology): part is DeliveryPart {
  return 'delivery' in part
}
