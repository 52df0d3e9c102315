export { type ApnsSettings, apnsChannel } from './connect/channels/apns.ts'
export type { AlertChannel, AlertMessage, AlertRecord, Recipient, Severity } from './connect/channels/channel.ts'
export { parseChannel } from './connect/channels/channels.ts'
export { type EmailSettings, emailChannel } from './connect/channels/email.ts'
export { type FcmSettings, fcmChannel } from './connect/channels/fcm.ts'
export { type NagiosSettings, nagiosChannel } from './connect/channels/nagios.ts'
export { type SmsSettings, smsChannel } from './connect/channels/sms.ts'
export { type TopicSettings as TopicChannelSettings, topicChannel } from './connect/channels/topic-channel.ts'
export { type WebhookSettings, webhookChannel } from './connect/channels/webhook.ts'
export type { AddressRules } from './connect/http-sender/addresses.ts'
export { TlsIdentity, type TlsSettings } from './connect/http-sender/connector.ts'
export type { NameService } from './connect/http-sender/host-resolver.ts'
export { HttpSender, type HttpSenderSettings } from './connect/http-sender/http-sender.ts'
export { deliveryErrorOf } from './connect/http-sender/outcome.ts'
export type {
  FailureReason,
  FailureStage,
  PostFailure,
  PostOutcome,
  PostRequest,
} from './connect/http-sender/post.ts'
export { Lookup } from './connect/lookup/lookup.ts'
export type { LookupCounters, LookupKey, LookupSettings } from './connect/lookup/settings.ts'
export type { AvroTopicSettings, RegistrySchema } from './connect/registry/avro-topic.ts'
export type { RegisteredSchema, RegisteredVersion, SchemaDraft } from './connect/registry/client.ts'
export { type SchemaRegistryClient, schemaRegistry } from './connect/registry/schema-registry.ts'
export type { SubjectNames } from './connect/registry/subject-names.ts'
export type { RegistrySettings } from './connect/registry/transport.ts'
export {
  generateWebhookKeyPair,
  generateWebhookSecret,
  WebhookSigner,
  webhookPublicKey,
} from './connect/webhooks/signing.ts'
export type { BreakerSettings } from './delivery/breaker.ts'
export type {
  Attempt,
  AttemptRecord,
  DeliveryGuarantee,
  DeliveryNotice,
  DeliverySettings,
  Limits,
  Route,
  RouteContext,
} from './delivery/contract.ts'
export { type Delivery, delivery } from './delivery/delivery.ts'
export { DeliveryError, type DeliveryFate } from './delivery/delivery-error.ts'
export { DESTINATION_HEADER } from './delivery/intake.ts'
export type { RetrySettings } from './delivery/retry.ts'
export type { Rate } from './delivery/token-bucket.ts'
export { AldebaranError, ERROR_CODES, type ErrorCode, type Fate } from './errors.ts'
export type { DeliveryFigures, Figures, HttpMetric, SumAndCount } from './http/application-metrics.ts'
export { EventsAnswer, type HttpRoute, RouteAnswer, type RouteRequest } from './http/application-routes.ts'
export { type EventStream, eventText } from './http/event-stream.ts'
export type { NewestOptions } from './http/newest-records.ts'
export type { Operations } from './http/operations.ts'
export { ReadyAnswer, type ReadyAnswerSettings } from './http/ready-answer.ts'
export type { Log, TopicInfo } from './log/contract.ts'
export type { Aggregate, AggregateContext, AggregateSpec, ResultOf } from './pipeline/aggregates/aggregate.ts'
export { first, last } from './pipeline/aggregates/by-time.ts'
export { count, max, mean, min, type NumberOf, sum } from './pipeline/aggregates/numbers.ts'
export { type QuantileSettings, quantile, quantiles } from './pipeline/aggregates/quantiles.ts'
export { type ReduceItemSettings, type ReduceSettings, reduce } from './pipeline/aggregates/reduce.ts'
export { type Ranked, type TopKSettings, topK } from './pipeline/aggregates/top-k.ts'
export type { Context, SendOptions } from './pipeline/context.ts'
export type { LatestSettings } from './pipeline/joins/latest-table.ts'
export type { JoinSettings, LateSide } from './pipeline/joins/stream-join.ts'
export { type Pipeline, pipeline } from './pipeline/pipeline.ts'
export type { SourceSettings } from './pipeline/source-time.ts'
export type { JoinedStream, KTable, KTableChanges, Stream, WindowedStream } from './pipeline/stream.ts'
export type { Table } from './pipeline/table.ts'
export { type AnyTopic, type Topic, type TopicSettings, topic } from './pipeline/topic.ts'
export { parseDuration } from './pipeline/units.ts'
export {
  type FixedWindow,
  hopping,
  rolling,
  type SessionWindow,
  session,
  sliding,
  type TrailingWindow,
  tumbling,
  type Window,
} from './pipeline/windows/window.ts'
export type { Replacing, WindowResult, WindowSettings, WithValue } from './pipeline/windows/window-node.ts'
export type { Timing } from './pipeline/windows/window-operator.ts'
export type { Header } from './record/headers.ts'
export { partitionOf } from './record/partitioner.ts'
export { type RunSettings, run, runSettingsOf, type ServedParts, type ServeSettings } from './run.ts'
export { type Application, type ApplicationSettings, application } from './runtime/application.ts'
export {
  type EmbeddedSettings,
  embedded,
  type KafkaSettings,
  kafka,
  type LogLocation,
} from './runtime/log-location.ts'
export { Producer } from './runtime/producer.ts'
export type { Source, StartedSource } from './runtime/source.ts'
export type { SourceState, SourceView } from './runtime/source-state.ts'
export type { Health, Running } from './runtime/start.ts'
export { type Received, type SubscribeSettings, subscribe } from './runtime/subscribe.ts'
export type { Report } from './runtime/worker-host.ts'
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
