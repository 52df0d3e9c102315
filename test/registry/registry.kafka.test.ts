/** The registry on a broker: processes that register at the same time, and one that comes later. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { deleteSubject, setCompatibility } from '../../src/connect/registry/administration.ts'
import { SchemaRegistry } from '../../src/connect/registry/registry.ts'
import { type KafkaHost, openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { kafkaBroker } from '../servers/kafka.ts'

const { bootstrap } = parseKafkaLocation(`kafka://${(await kafkaBroker()).bootstrap}`, {})
const topic = `schemas-${randomUUID()}`
const hosts: KafkaHost[] = []

async function open(): Promise<SchemaRegistry> {
  const host = await openKafka({ bootstrap, guarantee: 'exactly-once', node: `node-${randomUUID()}` })
  hosts.push(host)
  return await SchemaRegistry.open(host.client(), topic)
}

after(async () => {
  await hosts[0]?.client().deleteTopic(topic)
  await Promise.all(hosts.map(host => host.close()))
})

function draft(name: string) {
  const text = JSON.stringify({ type: 'record', name: 'R', fields: [{ name, type: 'int', default: 0 }] })
  return { type: 'AVRO' as const, text, references: [] }
}

test('processes that register at the same time agree on ids and versions, and so does one that comes later', async () => {
  const registries = [await open(), await open(), await open()]
  const same = await Promise.all(registries.map(registry => registry.register('same', draft('a'))))
  assert.deepEqual(new Set(same.map(({ schema, version }) => `${schema.id} ${version}`)), new Set(['1 1']))
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const many = await Promise.all(names.map((name, i) => registries[i % 3]!.register('many', draft(name))))
  assert.deepEqual(many.map(one => one.version).sort(), [1, 2, 3, 4, 5, 6])
  assert.equal(new Set(many.map(one => one.schema.id)).size, 6)
  many.forEach((one, i) => {
    assert.equal(one.schema.text, draft(names[i]!).text)
  })

  await setCompatibility(registries[1]!, 'many', 'FULL')
  await deleteSubject(registries[2]!, 'same', false)
  const late = await (await open()).current()
  assert.equal(late.compatibility.get('many'), 'FULL')
  assert.deepEqual([late.versions('same', false).length, late.versions('same', true).length], [0, 1])
  const told = many.map(one => [one.version, one.schema.id]).sort(([a], [b]) => a! - b!)
  assert.deepEqual(
    late.versions('many', false).map(one => [one.version, one.schema.id]),
    told,
  )
})
