import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ByteWriter } from '../../src/schema/byte-writer.ts'
import { orders } from './http-application.ts'
import { TestSite } from './http-site.ts'

let site: TestSite
before(async () => {
  site = await TestSite.open({ bodyLimit: '1MB' })
})
after(() => site.close())

const ORDERS = '/topics/orders/records'
const NOTES = '/topics/notes/records'

async function valuesOf(topic: string, key: string): Promise<unknown[]> {
  const { body } = await site.get(`/topics/${topic}/records?key=${encodeURIComponent(key)}&limit=1000`)
  return body.records.map(record => record.value)
}

test('one value is taken and its key found by the code', async () => {
  const answer = await site.postJson(ORDERS, { id: 11, client: 'ann', amount: 5 })
  assert.equal(answer.status, 200)
  assert.equal(answer.body.accepted, 1)
  assert.deepEqual(answer.body.errors, [])
  assert.equal(answer.body.offsets.length, 1)
  assert.deepEqual(await valuesOf('orders', '11'), [{ id: 11, client: 'ann', amount: 5, express: false, note: null }])
})

test('of an array the good values are appended and the bad ones told with index and path', async () => {
  const answer = await site.postJson(ORDERS, [
    { id: 21, client: 'a', amount: 1 },
    { id: 'x', client: 'a', amount: 1 },
    { id: 22, client: 'a', amount: 1, more: 1 },
    { id: 23, client: 'a', amount: 1 },
  ])
  assert.equal(answer.status, 200)
  assert.equal(answer.body.accepted, 2)
  assert.equal(answer.body.rejected, 2)
  assert.deepEqual(
    answer.body.errors.map(error => [error.index, error.code, error.path]),
    [
      [1, 'VALUE_INVALID', 'id'],
      [2, 'VALUE_INVALID', 'more'],
    ],
  )
  assert.equal((await valuesOf('orders', '23')).length, 1)
})

test('with atomic=true one bad value refuses all', async () => {
  const values = [
    { id: 31, client: 'a', amount: 1 },
    { id: 32, client: 7, amount: 1 },
  ]
  const answer = await site.postJson(`${ORDERS}?atomic=true`, values)
  assert.equal(answer.status, 400)
  assert.equal(answer.body.error.code, 'VALUE_INVALID')
  assert.equal(answer.body.accepted, 0)
  assert.equal(answer.body.rejected, 2)
  assert.deepEqual(
    answer.body.errors.map(error => [error.index, error.path]),
    [[1, 'client']],
  )
  assert.deepEqual(await valuesOf('orders', '31'), [])
})

test('when all are refused the answer is 400 with the error and the list', async () => {
  const answer = await site.postJson(ORDERS, [{}, {}])
  assert.equal(answer.status, 400)
  assert.equal(answer.body.error.code, 'VALUE_INVALID')
  assert.equal(typeof answer.body.error.remedy, 'string')
  assert.equal(answer.body.errors.length, 2)
})

test('an array is one value with wrap=value', async () => {
  assert.equal((await site.postJson('/topics/lists/records?wrap=value&key=whole', [1, 2, 3])).body.accepted, 1)
  const split = await site.postJson('/topics/lists/records?key=parts', [[4], [5, 6], 'no'])
  assert.equal(split.body.accepted, 2)
  assert.equal(split.body.rejected, 1)
  assert.deepEqual(await valuesOf('lists', 'whole'), [[1, 2, 3]])
  assert.deepEqual(await valuesOf('lists', 'parts'), [[4], [5, 6]])
})

test('records bring key, timestamp, headers and partition of their own', async () => {
  const answer = await site.postJson(`${NOTES}?wrap=records`, {
    records: [
      { key: 'k', value: { a: 1 }, timestamp: 1234, headers: { one: 'x', two: ['y', 'z'], none: null } },
      { key: null, value: 'no key', partition: 2 },
      { key: 'k', value: 1, partition: 9 },
      { key: 'k' },
      { value: 1, extra: true },
      { key: 'k', value: 1, timestamp: -1 },
      'text',
    ],
  })
  assert.equal(answer.body.accepted, 2)
  assert.deepEqual(
    answer.body.errors.map(error => [error.index, error.code]),
    [
      [2, 'PARTITION_UNKNOWN'],
      [3, 'VALUE_INVALID'],
      [4, 'VALUE_INVALID'],
      [5, 'VALUE_INVALID'],
      [6, 'VALUE_INVALID'],
    ],
  )
  const record = (await site.get(`${NOTES}?key=k`)).body.records[0]!
  assert.deepEqual(record.headers, { one: 'x', two: ['y', 'z'], none: null })
  assert.equal(record.timestamp, 1234)
  const { records } = (await site.get(`${NOTES}?partition=2&from=earliest`)).body
  assert.equal(records.find(one => String(one.value) === 'no key')!.key, null)
})

test('NDJSON tells errors with their lines, and takes a record a line with wrap=records', async () => {
  const lines = ['{"n":1}', '', '{"n":2', '\xff', '   ', '{"n":3}\r', '[['].join('\n')
  const answer = await site.post(`${NOTES}?key=lines`, Buffer.from(lines, 'latin1'), 'application/x-ndjson')
  assert.equal(answer.body.accepted, 2)
  assert.deepEqual(
    answer.body.errors.map(error => [error.line, error.code]),
    [
      [3, 'BODY_INVALID'],
      [4, 'BODY_INVALID'],
      [7, 'BODY_INVALID'],
    ],
  )
  assert.deepEqual(await valuesOf('notes', 'lines'), [{ n: 1 }, { n: 3 }])
  const wrapped = '{"key":"own","value":1}\n{"key":"own","value":2}\n'
  await site.post(`${NOTES}?wrap=records`, wrapped, 'application/x-ndjson; charset=utf-8')
  assert.deepEqual(await valuesOf('notes', 'own'), [1, 2])
})

test('CSV fields become what the schema wants', async () => {
  const csv = [
    '\ufeffid,client,amount,express,note',
    '41,"Ann, ""the"" buyer",2.5,true,',
    '42,bob,many,false,x',
    '43,eve',
    '44,"two',
    'lines",1e3,false,"007"',
  ].join('\r\n')
  const answer = await site.post(ORDERS, csv, 'text/csv')
  assert.equal(answer.body.accepted, 2)
  assert.deepEqual(
    answer.body.errors.map(error => [error.line, error.path]),
    [
      [3, 'amount'],
      [4, null],
    ],
  )
  assert.deepEqual(await valuesOf('orders', '41'), [
    { id: 41, client: 'Ann, "the" buyer', amount: 2.5, express: true, note: null },
  ])
  assert.deepEqual(await valuesOf('orders', '44'), [
    { id: 44, client: 'two\r\nlines', amount: 1000, express: false, note: '007' },
  ])
})

test('Avro values are taken as they are, one or framed, when they fit', async () => {
  const encode = (id: number): Buffer => {
    const out = new ByteWriter()
    orders.value.encode({ id, client: 'avro', amount: 1, express: false, note: null }, out)
    return out.bytes.subarray(0, out.position)
  }
  const framed = Buffer.concat(
    [encode(51), Buffer.from('junk'), encode(52)].flatMap(value => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(value.length)
      return [length, value]
    }),
  )
  assert.equal((await site.post(ORDERS, encode(50), 'application/avro-binary')).body.accepted, 1)
  const several = await site.post(`${ORDERS}?framed=true`, framed, 'application/avro-binary')
  assert.equal(several.body.accepted, 2)
  assert.deepEqual(
    several.body.errors.map(error => [error.index, error.code]),
    [[1, 'VALUE_UNDECODABLE']],
  )
  assert.equal((await valuesOf('orders', '52')).length, 1)
  const cut = await site.post(`${ORDERS}?framed=true`, framed.subarray(0, -1), 'application/avro-binary')
  assert.equal(cut.status, 400)
})

test('bytes go into a topic of bytes alone', async () => {
  const bytes = Buffer.from([0, 255, 10, 0])
  assert.equal((await site.post('/topics/blobs/records?key=b', bytes, 'application/octet-stream')).status, 200)
  assert.deepEqual(await valuesOf('blobs', 'b'), [bytes.toString('base64')])
  const refused = await site.post(ORDERS, bytes, 'application/octet-stream')
  assert.equal(refused.status, 415)
  assert.equal(refused.body.error.code, 'CONTENT_TYPE_UNKNOWN')
})

test('bodies that are no JSON are refused as a whole, with the place', async () => {
  const nasty: [string, string | Uint8Array][] = [
    ['nothing', ''],
    ['half', '{"id":1,'],
    ['a NUL', '{"id":\0}'],
    ['a BOM', '\ufeff{}'],
    ['no UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
    ['UTF-16', Buffer.from('{"id":1}', 'utf16le')],
    ['a deep nest', '['.repeat(100_000)],
    ['a deep nest that closes', `${'['.repeat(50_000)}${']'.repeat(50_000)}`],
    ['NaN', 'NaN'],
  ]
  for (const [name, body] of nasty) {
    const answer = await site.post(NOTES, body)
    assert.equal(answer.status, 400, name)
    assert.equal(answer.body.error.code, 'BODY_INVALID', name)
  }
})

test('odd keys and values of JSON arrive unchanged and harm nothing', async () => {
  const odd = `{"__proto__":{"polluted":true},"constructor":1,"":"","\\u0000":"\\u0000","long":"${'𝕏'.repeat(1000)}"}`
  assert.equal((await site.post(`${NOTES}?key=odd`, odd)).body.accepted, 1)
  const { text } = await site.get(`${NOTES}?key=odd`)
  assert.ok(text.includes('"__proto__":{"polluted":true}'))
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  assert.equal((await site.post(`${NOTES}?key=half`, '"half a pair: \\ud800"')).body.accepted, 1)
  assert.ok((await site.get(`${NOTES}?key=half`)).text.includes('half a pair: \\ud800'))
})

test('a body that is too large is refused with the limit', async () => {
  const answer = await site.post(NOTES, `"${'x'.repeat(1_000_001)}"`)
  assert.equal(answer.status, 413)
  assert.equal(answer.body.error.code, 'BODY_TOO_LARGE')
  assert.equal(answer.body.error.bodyLimit, 1_000_000)
})

test('content types that a page of another site could send unasked are refused', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    const answer = await site.post(NOTES, '{}', type)
    assert.equal(answer.status, 415, type)
  }
  const zipped = await site.post(NOTES, '{}', 'application/json', { 'content-encoding': 'gzip' })
  assert.equal(zipped.status, 415)
})

test('topics that are not there, or not for others, are refused', async () => {
  assert.equal((await site.postJson('/topics/nowhere/records', 1)).body.error.code, 'TOPIC_UNKNOWN')
  assert.equal((await site.postJson('/topics/shop.dead-letters/records', 'eA==')).status, 403)
  assert.equal((await site.postJson('/topics/shop.shop.books.changelog/records', 'eA==')).status, 403)
  assert.equal((await site.postJson(`${NOTES}?limt=1`, 1)).body.error.code, 'OPTION_INVALID')
  assert.equal((await site.postJson(`${ORDERS}?key=abc`, [])).status, 400)
  assert.equal((await site.postJson(`${ORDERS}?partition=7`, [])).body.error.code, 'PARTITION_UNKNOWN')
})

test('many requests at once are each appended once', async () => {
  const requests = Array.from({ length: 40 }, (_, i) => site.postJson(`${NOTES}?key=many`, [i, -i]))
  const answers = await Promise.all(requests)
  assert.ok(answers.every(answer => answer.body.accepted === 2))
  const values = (await valuesOf('notes', 'many')) as number[]
  assert.equal(values.length, 80)
  assert.deepEqual(new Set(values.map(Math.abs)).size, 40)
})

test('a store that is full answers 503, and what was accepted before stays', async () => {
  const small = await TestSite.open({}, '8MB')
  try {
    const blob = new Uint8Array(500_000)
    let accepted = 0
    let refused = await small.post('/topics/blobs/records', blob, 'application/octet-stream')
    for (; refused.status === 200 && accepted < 100; accepted++) {
      refused = await small.post('/topics/blobs/records', blob, 'application/octet-stream')
    }
    assert.equal(refused.status, 503)
    assert.equal(refused.body.error.code, 'STORE_FULL')
    assert.equal(refused.headers.get('retry-after'), '1')
    assert.equal((await small.get('/topics/blobs')).body.records, accepted)
  } finally {
    await small.close()
  }
})
