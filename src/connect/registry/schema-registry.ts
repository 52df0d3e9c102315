import type { AvroSchema } from '../../schema/avro.ts'
import { type AvroTopicSettings, avroTopic, type RegistrySchema } from './avro-topic.ts'
import { RegistryClient } from './client.ts'
import type { RegistrySettings } from './transport.ts'

/** A schema registry: a client of it, and the schemas of topics that use it. */
export class SchemaRegistryClient extends RegistryClient {
  /**
   * The schema of the values (or keys) of a topic, in the registry's wire format: written with the id that the registry has
   * for it, read whatever id they were written with, by Avro's schema resolution.
   */
  avro<T>(schema: AvroSchema<T>, settings: AvroTopicSettings): RegistrySchema<T> {
    return avroTopic(this, schema, settings)
  }
}

/**
 * The client of a schema registry: Confluent's, one that speaks like it, or the one that Aldebaran serves under
 * `/registry`. Nothing is asked before it is needed.
 *
 * @throws AldebaranError OPTION_INVALID
 */
export function schemaRegistry(settings: RegistrySettings): SchemaRegistryClient {
  return new SchemaRegistryClient(settings)
}
