import type { Topic } from '../pipeline/topic.ts'
import { ByteWriter } from '../schema/byte-writer.ts'
import type { Schema } from '../schema/schema.ts'
import type { SimulatedRecord } from './simulation-world.ts'

/** A record as the bytes its topic writes. */
export function encodeRecord<K, V>(topic: Topic<K, V>, key: NoInfer<K> | null, value: NoInfer<V>): SimulatedRecord {
  return {
    topic: topic.name,
    key: key === null ? null : encode(topic.key, key),
    value: encode(topic.value, value),
  }
}

function encode<T>(schema: Schema<T>, value: T): Buffer {
  const out = new ByteWriter(256)
  schema.encode(value, out)
  return Buffer.from(out.bytes.subarray(0, out.position))
}
