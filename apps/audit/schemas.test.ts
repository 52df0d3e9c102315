import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ObjectOf } from 'aldebaran'
import avsc from 'avsc'
import { type AuditSchemas, auditSchemas, type RecordShape } from './schemas.ts'

function avroType(shape: RecordShape<unknown>): avsc.Type {
  return avsc.Type.forSchema(JSON.parse(JSON.stringify(shape.definition)) as avsc.Schema)
}

function fieldNames(shape: RecordShape<object>): string[] {
  return Object.keys(shape.fields)
}

/** Zigzag varints and length-prefixed texts, as the compatible programs write them. */
function bytesOf(...values: (number | string)[]): Buffer {
  const bytes: number[] = []
  const number = (value: number): void => {
    let rest = value * 2
    while (rest > 127) {
      bytes.push((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    bytes.push(rest)
  }
  for (const value of values) {
    if (typeof value === 'number') number(value)
    else {
      number(value.length)
      bytes.push(...Buffer.from(value))
    }
  }
  return Buffer.from(bytes)
}

const ts = 1_700_000_000_000_001

test('fields are in the order of the bytes in both spellings', () => {
  for (const ids of ['integer', 'text'] as const) {
    const schemas = auditSchemas(ids)
    assert.deepEqual(fieldNames(schemas.request), ['id', 'shares', 'client', 'stock', 'ts'])
    assert.deepEqual(fieldNames(schemas.purchase), ['id', 'orderId', 'shares', 'stock', 'ts'])
    assert.deepEqual(fieldNames(schemas.alert), ['orderId', 'kind', 'requested', 'purchased', 'ts', 'client', 'stock'])
  }
})

test('with integer ids the bytes are those of the compatible programs', () => {
  const { request, purchase, alert } = auditSchemas('integer')
  const id = 2 ** 40
  assert.deepEqual(
    avroType(request).toBuffer({ id, shares: 4900, client: 'client-007', stock: 'AAA', ts }),
    bytesOf(id, 4900, 'client-007', 'AAA', ts),
  )
  assert.deepEqual(
    avroType(purchase).toBuffer({ id: 3, orderId: id, shares: 700, stock: 'AAA', ts }),
    bytesOf(3, id, 700, 'AAA', ts),
  )
  const alerts = avroType(alert)
  const value = { orderId: id, kind: 'NO_REQUEST', requested: 0, purchased: 2 ** 33, ts, client: '', stock: 'AAA' }
  assert.deepEqual(alerts.toBuffer(value), bytesOf(id, 1, 0, 2 ** 33, ts, '', 'AAA'))
  assert.equal(alerts.toBuffer({ ...value, kind: 'OVERBOUGHT' })[bytesOf(id).length], 0)
})

test('with text ids a UUID goes through all three records', () => {
  const schemas = auditSchemas('text')
  const id = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'
  const alert = { orderId: id, kind: 'OVERBOUGHT', requested: 1, purchased: 2, ts, client: 'c', stock: 's' }
  for (const [shape, value] of [
    [schemas.request, { id, shares: 1, client: 'c', stock: 's', ts }],
    [schemas.purchase, { id: 'p', orderId: id, shares: 1, stock: 's', ts }],
    [schemas.alert, alert],
  ] as const) {
    const type = avroType(shape)
    assert.deepEqual({ ...(type.fromBuffer(type.toBuffer(value)) as object) }, value)
  }
})

test('alerts written before client and stock were added can be read', () => {
  const { alert } = auditSchemas('integer')
  const { client: _, stock: __, ...older } = { ...alert.fields }
  assert.deepEqual(Object.keys(older).at(-1), 'ts')
  const fields = (alert.definition as unknown as { fields: { name: string }[] }).fields
  const writer = avsc.Type.forSchema({
    type: 'record',
    name: 'Alert',
    fields: fields.slice(0, 5),
  } as unknown as avsc.Schema)
  const reader = avroType(alert)
  const bytes = bytesOf(5, 0, 10, 11, ts)
  assert.deepEqual(
    { ...(reader.fromBuffer(bytes, reader.createResolver(writer)) as object) },
    { orderId: 5, kind: 'OVERBOUGHT', requested: 10, purchased: 11, ts, client: '', stock: '' },
  )
})

test('the types of ids follow the spelling', () => {
  const integer: ObjectOf<AuditSchemas<number>['purchase']['fields']> = {
    id: 1,
    orderId: 2,
    shares: 3,
    stock: 's',
    ts,
  }
  const text: ObjectOf<ReturnType<typeof auditSchemas<'text'>>['purchase']['fields']> = {
    ...integer,
    id: '1',
    orderId: '2',
  }
  assert.deepEqual(auditSchemas('integer').id.definition, 'long')
  assert.deepEqual(auditSchemas('text').id.definition, 'string')
  assert.equal(text.id, String(integer.id))
})
