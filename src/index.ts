export type { AvroTopicSettings, RegistrySchema } from './connect/registry/avro-topic.ts'
export type { RegisteredSchema, RegisteredVersion, SchemaDraft } from './connect/registry/client.ts'
export { type SchemaRegistryClient, schemaRegistry } from './connect/registry/schema-registry.ts'
export type { SubjectNames } from './connect/registry/subject-names.ts'
export type { RegistrySettings } from './connect/registry/transport.ts'
export { AldebaranError, ERROR_CODES, type ErrorCode, type Fate } from './errors.ts'
export type { Log, TopicInfo } from './log/contract.ts'
export type { Context, SendOptions } from './pipeline/context.ts'
export { type Pipeline, pipeline } from './pipeline/pipeline.ts'
export type { Stream } from './pipeline/stream.ts'
export type { Table } from './pipeline/table.ts'
export { type AnyTopic, type Topic, type TopicSettings, topic } from './pipeline/topic.ts'
export type { Header } from './record/headers.ts'
export { type RunSettings, run } from './run.ts'
export { type Application, type ApplicationSettings, application } from './runtime/application.ts'
export {
  type EmbeddedSettings,
  embedded,
  type KafkaSettings,
  kafka,
  type LogLocation,
} from './runtime/log-location.ts'
export { Producer } from './runtime/producer.ts'
export type { Health, Running } from './runtime/start.ts'
export { type Received, type SubscribeSettings, subscribe } from './runtime/subscribe.ts'
export { type AvroSchema, avro } from './schema/avro.ts'
export {
  type AvroDefinition,
  type Fields,
  type FieldType,
  type ObjectOf,
  recordDefinition,
  type TypeOf,
  t,
} from './schema/field-types.ts'
export { json } from './schema/json.ts'
export { bigint64, bytes, int32, int64, text, uuid } from './schema/primitives.ts'
export type { Schema } from './schema/schema.ts'
export type { Row } from './state/contract.ts'
export type { Clock } from './time/clock.ts'
