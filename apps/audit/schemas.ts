/**
 * The records of the auditor as Avro, in two spellings: order and purchase ids as integers (the smallest and fastest)
 * or as text (UUIDs).
 *
 * 1. The order of the fields is the order of the bytes. Programs that know only the first five fields of an alert, or
 *    write requests and purchases without a schema, must keep working: new fields go to the end, with a default.
 * 2. Avro writes an int and a long alike, so the totals of an alert are longs here and may be ints to others.
 * 3. `ts` is microseconds since 1970 UTC, when the sender sent the message.
 */
import { type AvroDefinition, type FieldType, recordDefinition, t } from 'aldebaran'
import { ALERT_KINDS } from './rules.ts'

export type IdSpelling = 'integer' | 'text'

/** The type of an id in a spelling. */
export type IdOf<S extends IdSpelling> = S extends 'integer' ? number : string

export const REQUEST_NAME = 'PurchaseRequest'
export const PURCHASE_NAME = 'Purchase'
export const ALERT_NAME = 'Alert'

type RequestFields<Id> = ReturnType<typeof requestFields<Id>>
type PurchaseFields<Id> = ReturnType<typeof purchaseFields<Id>>
type AlertFields<Id> = ReturnType<typeof alertFields<Id>>

/** One record: its Avro name, its fields, and both as an Avro definition. */
export interface RecordShape<F> {
  readonly name: string
  readonly fields: F
  readonly definition: AvroDefinition
}

export interface AuditSchemas<Id> {
  /** The type of order ids, which are the keys of all three topics. */
  readonly id: FieldType<Id>
  readonly request: RecordShape<RequestFields<Id>>
  readonly purchase: RecordShape<PurchaseFields<Id>>
  readonly alert: RecordShape<AlertFields<Id>>
}

function requestFields<Id>(id: FieldType<Id>) {
  /** `id` is the order id. */
  return { id, shares: t.int, client: t.string, stock: t.string, ts: t.long }
}

function purchaseFields<Id>(id: FieldType<Id>) {
  return { id, orderId: id, shares: t.int, stock: t.string, ts: t.long }
}

function alertFields<Id>(id: FieldType<Id>) {
  return {
    orderId: id,
    kind: t.enum(ALERT_KINDS, 'AlertKind'),
    requested: t.long,
    purchased: t.long,
    /** Of the purchase that the alert is about. */
    ts: t.long,
    client: t.withDefault(t.string, ''),
    stock: t.withDefault(t.string, ''),
  }
}

function schemasOf<Id>(id: FieldType<Id>): AuditSchemas<Id> {
  const request = requestFields(id)
  const purchase = purchaseFields(id)
  const alert = alertFields(id)
  return {
    id,
    request: { name: REQUEST_NAME, fields: request, definition: recordDefinition(REQUEST_NAME, request) },
    purchase: { name: PURCHASE_NAME, fields: purchase, definition: recordDefinition(PURCHASE_NAME, purchase) },
    alert: { name: ALERT_NAME, fields: alert, definition: recordDefinition(ALERT_NAME, alert) },
  }
}

/** The records with ids as long (`integer`) or as string (`text`). */
export function auditSchemas<S extends IdSpelling>(ids: S): AuditSchemas<IdOf<S>>
export function auditSchemas(ids: IdSpelling): AuditSchemas<number> | AuditSchemas<string> {
  return ids === 'integer' ? schemasOf(t.long) : schemasOf(t.string)
}
