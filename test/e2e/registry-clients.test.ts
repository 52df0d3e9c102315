/** The registry as the clients that people have see it, and the bytes that they and we exchange. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as confluent from '@confluentinc/schemaregistry'
import * as kafkajs from '@kafkajs/confluent-schema-registry'
import { avro, schemaRegistry, t } from '../../src/index.ts'
import { ByteWriter } from '../../src/schema/byte-writer.ts'
import type { Schema } from '../../src/schema/schema.ts'
import { TestSite } from './http-site.ts'

let site: TestSite
let url: string
before(async () => {
  site = await TestSite.open()
  url = `${site.url}/registry`
})
after(() => site.close())

const text = (name: string, ...fields: object[]): string => JSON.stringify({ type: 'record', name, fields })
const ID = { name: 'id', type: 'long' }
const NOTE = { name: 'note', type: ['null', 'string'], default: null }

function written<T>(schema: Schema<T>, value: T): Buffer {
  const out = new ByteWriter(64)
  schema.encode(value, out)
  return Buffer.from(out.bytes.subarray(0, out.position))
}

function confluentClient(): confluent.SchemaRegistryClient {
  return new confluent.SchemaRegistryClient({ baseURLs: [url], cacheCapacity: 100, cacheLatestTtlSecs: 60 })
}

test("Confluent's client registers, looks up, compares, configures and deletes", async () => {
  const client = confluentClient()
  const first = { schemaType: 'AVRO', schema: text('One', ID) }
  const id = await client.register('conf-value', first)
  assert.equal(await client.getId('conf-value', first), id)
  assert.equal((await client.getBySubjectAndId('conf-value', id)).schema, first.schema)
  assert.equal(await client.getVersion('conf-value', first), 1)
  const second = { schemaType: 'AVRO', schema: text('One', ID, NOTE) }
  assert.equal(await client.testSubjectCompatibility('conf-value', second), true)
  const bad = { schemaType: 'AVRO', schema: text('One', ID, { name: 'x', type: 'int' }) }
  assert.equal(await client.testCompatibility('conf-value', 1, bad), false)
  await assert.rejects(client.register('conf-value', bad), { status: 409 })
  await client.register('conf-value', second)
  assert.deepEqual(await client.getAllVersions('conf-value'), [1, 2])
  assert.equal((await client.getLatestSchemaMetadata('conf-value')).version, 2)
  assert.equal((await client.getSchemaMetadata('conf-value', 1)).id, id)
  assert.ok((await client.getAllSubjects()).includes('conf-value'))
  assert.equal(await client.updateCompatibility('conf-value', confluent.Compatibility.NONE), 'NONE')
  assert.equal(await client.getCompatibility('conf-value'), 'NONE')
  assert.equal(await client.getDefaultCompatibility(), 'BACKWARD')
  assert.equal(await client.deleteSubjectVersion('conf-value', 1), 1)
  assert.deepEqual(await client.deleteSubject('conf-value'), [2])
  // It remembers what it deleted.
  const another = confluentClient()
  await assert.rejects(another.getLatestSchemaMetadata('conf-value'), { status: 404, errorCode: 40401 })
})

test("what Confluent's Avro serializer writes is read here, and the other way round", async () => {
  const client = confluentClient()
  const serializer = new confluent.AvroSerializer(client, confluent.SerdeType.VALUE, {
    autoRegisterSchemas: false,
    useLatestVersion: true,
  })
  const deserializer = new confluent.AvroDeserializer(client, confluent.SerdeType.VALUE, {})
  await client.register('exchange-value', { schemaType: 'AVRO', schema: text('Order', ID) })

  const registry = schemaRegistry({ url })
  const order = registry.avro(avro('Order', { id: t.long, note: t.optional(t.string) }), { topic: 'exchange' })
  const older = await serializer.serialize('exchange', { id: 17 })
  await order.ready()
  assert.deepEqual({ ...order.decode(older, 0, older.length) }, { id: 17, note: null })

  const ours = written(order, { id: 18, note: 'new' })
  assert.deepEqual({ ...(await deserializer.deserialize('exchange', ours)) }, { id: 18, note: 'new' })
  // It has version 1 in mind still, which its reader schema is not bound to.
  client.clearLatestCaches()
  const newer = await serializer.serialize('exchange', { id: 19, note: 'theirs' })
  assert.deepEqual({ ...order.decode(newer, 0, newer.length) }, { id: 19, note: 'theirs' })
  registry.close()
})

test("Confluent's client resolves references to schemas of other subjects", async () => {
  const client = confluentClient()
  const money = JSON.stringify({
    type: 'record',
    name: 'Money',
    namespace: 'bank',
    fields: [{ name: 'cents', type: 'long' }],
  })
  await client.register('bank.Money', { schemaType: 'AVRO', schema: money })
  const references = [{ name: 'bank.Money', subject: 'bank.Money', version: 1 }]
  const sale = text('Sale', { name: 'price', type: 'bank.Money' }, { name: 'tax', type: 'bank.Money' })
  await client.register('sales-value', { schemaType: 'AVRO', schema: sale, references })
  const serializer = new confluent.AvroSerializer(client, confluent.SerdeType.VALUE, {
    autoRegisterSchemas: false,
    useLatestVersion: true,
  })
  const bytes = await serializer.serialize('sales', { price: { cents: 100 }, tax: { cents: 19 } })

  const registry = schemaRegistry({ url })
  const price = t.record('bank.Money', { cents: t.long })
  const schema = registry.avro(avro('Sale', { price, tax: price }), { topic: 'sales', useLatest: true })
  await schema.ready()
  const read = JSON.parse(JSON.stringify(schema.decode(bytes, 0, bytes.length)))
  assert.deepEqual(read, { price: { cents: 100 }, tax: { cents: 19 } })
  assert.deepEqual(written(schema, { price: { cents: 100 }, tax: { cents: 19 } }), bytes)
  registry.close()
})

test("Confluent's JSON Schema serializer registers and writes", async () => {
  const client = confluentClient()
  const schema = JSON.stringify({ type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] })
  await client.register('json-value', { schemaType: 'JSON', schema })
  const settings = { autoRegisterSchemas: false, useLatestVersion: true, validate: true }
  const bytes = await new confluent.JsonSerializer(client, confluent.SerdeType.VALUE, settings).serialize('json', {
    id: 1,
  })
  assert.equal(bytes[0], 0)
  const deserializer = new confluent.JsonDeserializer(client, confluent.SerdeType.VALUE, {})
  assert.deepEqual(await deserializer.deserialize('json', bytes), { id: 1 })
})

test('the client for KafkaJS registers, encodes what is read here, and decodes what is written here', async () => {
  const theirs = new kafkajs.SchemaRegistry({ host: url })
  const { id } = await theirs.register(
    { type: kafkajs.SchemaType.AVRO, schema: text('Visit', ID) },
    { subject: 'visits-value' },
  )
  const bytes = await theirs.encode(id, { id: 5 })

  const registry = schemaRegistry({ url })
  const visit = registry.avro(avro('Visit', { id: t.long, note: t.optional(t.string) }), { topic: 'visits' })
  await visit.ready()
  assert.deepEqual({ ...visit.decode(bytes, 0, bytes.length) }, { id: 5, note: null })
  const ours = written(visit, { id: 6, note: 'x' })
  assert.equal(ours.readInt32BE(1), await theirs.getLatestSchemaId('visits-value'))
  assert.deepEqual({ ...(await theirs.decode(ours)) }, { id: 6, note: 'x' })
  assert.equal(await theirs.getRegistryId('visits-value', 1), id)
  const incompatible = {
    type: kafkajs.SchemaType.AVRO,
    schema: text('Visit', { name: 'who', type: 'string' }),
  } as const
  await assert.rejects(theirs.register(incompatible, { subject: 'visits-value' }), /incompatible/)
  registry.close()
})
