/** Windows behind a keyBy, under a name of its own: see `windows.kafka.test.ts`. */
import { application, count, json, pipeline, rolling, sum, text, topic, tumbling } from '../../src/index.ts'

export interface Event {
  id: number
  group: string
  at: number
}

export interface Told {
  start: number
  n: number
  ids: number
}

export const SIZE = 500
export const SPAN = 700

export function topicsOf(name: string) {
  const values = json<Event>()
  return {
    events: topic(`${name}-events`, { key: text(), value: values, partitions: 3 }),
    late: topic(`${name}-late`, { key: text(), value: values, partitions: 2 }),
    tumbling: topic(`${name}-tumbling`, { key: text(), value: json<Told>(), partitions: 2 }),
    rolling: topic(`${name}-rolling`, { key: text(), value: json<Told>(), partitions: 2 }),
  }
}

export function windowsOn(name: string) {
  const topics = topicsOf(name)
  const p = pipeline('p')
  const grouped = p
    .from(topics.events, { timestamp: one => one.at, outOfOrderness: '10s', idleAfter: '1s', maxAhead: false })
    .keyBy('by-group', one => one.group, { key: text(), value: json<Event>(), partitions: 2 })
  const cut = { tumbling: grouped.window('minutes', tumbling(SIZE)), rolling: grouped.window('before', rolling(SPAN)) }
  for (const name of ['tumbling', 'rolling'] as const) {
    cut[name].late.to(topics.late)
    cut[name]
      .aggregate({ n: count(), ids: sum(one => one.id) })
      .map(({ windowStart, n, ids }): Told => ({ start: windowStart, n, ids }))
      .to(topics[name])
  }
  return application(name, { pipelines: [p] })
}

/** Each thread makes it from what the process was given. */
export const app = windowsOn(process.env.WINDOWS_NAME ?? 'windows')
