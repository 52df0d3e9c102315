import assert from 'node:assert/strict'
import { test } from 'node:test'
import { avro } from './avro.ts'
import { qualifiedText, selfContained, sortedText } from './avro-references.ts'

const money = {
  type: 'record',
  name: 'Money',
  namespace: 'bank',
  fields: [
    { name: 'cents', type: 'long' },
    { name: 'currency', type: { type: 'enum', name: 'Currency', symbols: ['EUR', 'CHF'] } },
  ],
}
const plain = { type: 'record', name: 'Plain', fields: [{ name: 'x', type: 'int' }] }

test('types of other schemas are declared where they are used first, with their own types', () => {
  const order = {
    type: 'record',
    name: 'Order',
    namespace: 'shop',
    fields: [
      { name: 'tax', type: 'bank.Money' },
      { name: 'price', type: ['null', 'bank.Money'] },
      { name: 'currency', type: 'bank.Currency' },
      { name: 'plain', type: 'Plain' },
      { name: 'next', type: ['null', 'Order'] },
    ],
  }
  const whole = selfContained(order, [money, plain])
  const value = { cents: 1, currency: 'CHF' }
  const given = { tax: value, price: value, currency: 'EUR', plain: { x: 2 }, next: null }
  assert.deepEqual(avro.parse(whole).fromJson(given), given)
  assert.equal(JSON.stringify(whole).match(/"symbols"/g)?.length, 1)
})

test('a type that a referenced schema shares with another one is declared once', () => {
  const account = { type: 'record', name: 'bank.Account', fields: [{ name: 'balance', type: 'Money' }] }
  const both = {
    type: 'record',
    name: 'Both',
    fields: [
      { name: 'c', type: 'bank.Currency' },
      { name: 'a', type: 'bank.Account' },
    ],
  }
  const whole = selfContained(both, [money, account])
  const value = { c: 'EUR', a: { balance: { cents: 1, currency: 'EUR' } } }
  assert.deepEqual(avro.parse(whole).fromJson(value), value)
})

test('a type without a namespace keeps none inside of one that has one', () => {
  const outer = { type: 'record', name: 'o.Outer', fields: [{ name: 'p', type: 'Plain' }] }
  assert.match(sortedText(selfContained(outer, [plain])), /"name":"Plain","namespace":""/)
})

test('a name that nobody declares, and what is declared twice, is left for parsing to refuse', () => {
  const lost = selfContained({ type: 'record', name: 'L', fields: [{ name: 'x', type: 'Nobody' }] }, [])
  assert.throws(() => avro.parse(lost), { code: 'SCHEMA_INVALID' })
  const twice = {
    type: 'record',
    name: 'T',
    fields: [
      { name: 'a', type: plain },
      { name: 'b', type: plain },
    ],
  }
  assert.throws(() => avro.parse(selfContained(twice, [])), { code: 'SCHEMA_INVALID', message: /second time/ })
  assert.throws(() => avro.parse(selfContained({ type: 'record', name: 5 }, [])), { code: 'SCHEMA_INVALID' })
  let deep: unknown = 'int'
  for (let i = 0; i < 1000; i++) deep = { type: 'array', items: deep }
  assert.throws(() => selfContained(deep, []), { code: 'SCHEMA_INVALID' })
})

test('equal schemas have one text, and documentation counts', () => {
  const written = '{"name":"n.R","type":"record","fields":[{"type":{"type":"int"},"name":"a"}]}'
  const same = { type: 'record', namespace: 'n', name: 'R', fields: [{ name: 'a', type: 'int' }] }
  assert.equal(qualifiedText(JSON.parse(written), []), qualifiedText(same, []))
  assert.notEqual(qualifiedText(same, []), qualifiedText({ ...same, doc: 'x' }, []))
  assert.equal(
    qualifiedText({ ...same, fields: [{ name: 'a', type: 'bank.Money' }] }, [money]).includes('cents'),
    false,
  )
})
