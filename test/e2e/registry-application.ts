/** An application whose topics use a schema registry. Worker threads import it too: the address comes in the environment. */
import { application, avro, int64, json, pipeline, schemaRegistry, t, topic } from '../../src/index.ts'

const registry = schemaRegistry({ url: process.env.TEST_REGISTRY_URL ?? 'http://127.0.0.1:9', retries: 0 })

export const readings = topic('readings', {
  key: int64(),
  value: registry.avro(avro('Reading', { id: t.long, note: t.optional(t.string) }), { topic: 'readings' }),
  partitions: 1,
})
export const seen = topic('seen', { key: int64(), value: json<{ id: number; note: string | null }>(), partitions: 1 })
export const checked = topic('checked', {
  key: int64(),
  value: registry.avro(avro('Checked', { id: t.long }), { topic: 'checked', subject: 'topic-record' }),
  partitions: 1,
})

const reader = pipeline('reader')
const source = reader.from(readings)
source.map(reading => ({ id: reading.id, note: reading.note })).to(seen)
source.map(reading => ({ id: reading.id })).to(checked)

export const app = application('registry-reader', { pipelines: [reader] })
