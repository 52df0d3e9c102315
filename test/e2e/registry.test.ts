/** The REST API of the registry, as its clients see it: paths, codes and bodies of Confluent's. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { serve } from '../../src/http/serve.ts'
import { TestSite } from './http-site.ts'

const TYPE = 'application/vnd.schemaregistry.v1+json'
const TOKEN = 'a-token-of-enough-characters'

let site: TestSite
before(async () => {
  site = await TestSite.open()
})
after(() => site.close())

/** The fields that tests look at, of every answer. */
interface Body {
  message: string
  error_code: number
  id: number
  version: number
  schema: string
  is_compatible: boolean
  messages: string[]
}

interface Answer<T> {
  status: number
  type: string | undefined
  body: T
}

async function ask<T = Body>(method: string, path: string, body?: unknown, type = TYPE): Promise<Answer<T>> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': type } }
  const response = await fetch(`${site.url}/registry${path}`, { method, ...init })
  return {
    status: response.status,
    type: response.headers.get('content-type')?.split(';')[0],
    body: (await response.json()) as T,
  }
}

async function refusal(method: string, path: string, body?: unknown): Promise<[status: number, code: number]> {
  const answer = await ask(method, path, body)
  assert.equal(typeof answer.body.message, 'string')
  assert.equal(answer.type, TYPE)
  return [answer.status, answer.body.error_code]
}

const record = (...fields: unknown[]) => JSON.stringify({ type: 'record', name: 'R', namespace: 'shop', fields })
const A = { name: 'a', type: 'int' }
const B = { name: 'b', type: 'string', default: '' }
const NEEDED = { name: 'c', type: 'string' }

async function register(subject: string, schema: string, more: object = {}): Promise<number> {
  const { status, body } = await ask('POST', `/subjects/${subject}/versions`, { schema, ...more })
  assert.equal(status, 200, JSON.stringify(body))
  return body.id
}

test('one text has one id, in every subject and however it is spaced and ordered', async () => {
  const id = await register('ids-1', record(A))
  assert.equal(await register('ids-1', record(A)), id)
  assert.equal(await register('ids-2', `${record(A).replaceAll(',', ' ,\n')} `), id)
  const other = '{"fields":[{"type":{"type":"int"},"name":"a"}],"name":"shop.R","type":"record"}'
  assert.equal(await register('ids-2', other), id)
  assert.notEqual(await register('ids-2', record(A, B)), id)
  assert.deepEqual((await ask('GET', '/subjects/ids-2/versions')).body, [1, 2])
  assert.deepEqual((await ask('GET', `/schemas/ids/${id}`)).body, { schema: record(A) })
  assert.deepEqual((await ask('GET', `/schemas/ids/${id}/schema`)).body, JSON.parse(record(A)))
  assert.deepEqual((await ask('GET', `/schemas/ids/${id}/subjects`)).body, ['ids-1', 'ids-2'])
  assert.deepEqual((await ask('GET', `/schemas/ids/${id}/versions`)).body, [
    { subject: 'ids-1', version: 1 },
    { subject: 'ids-2', version: 1 },
  ])
  assert.deepEqual((await ask('GET', '/subjects/ids-2/versions/latest')).body, {
    subject: 'ids-2',
    version: 2,
    id: id + 1,
    schema: record(A, B),
  })
  assert.equal((await ask('GET', '/subjects/ids-2/versions/-1')).body.version, 2)
  assert.deepEqual((await ask('POST', '/subjects/ids-2', { schema: record(A) })).body.version, 1)
  const all = (await ask<{ subject: string; version: number }[]>('GET', '/schemas?subjectPrefix=ids-&latestOnly=true'))
    .body
  assert.deepEqual(
    all.map(one => [one.subject, one.version]),
    [
      ['ids-1', 1],
      ['ids-2', 2],
    ],
  )
  assert.equal((await ask<unknown[]>('GET', '/schemas?subjectPrefix=ids-&offset=1&limit=1')).body.length, 1)
  assert.equal((await ask('POST', '/subjects/ids-3/versions?normalize=true', { schema: record(A) })).body.id, id)
})

test('a text that is spaced keeps its numbers, and a normalized one its names in full', async () => {
  const large =
    '{ "type": "record", "name": "Large", "fields": [{"name": "n", "type": "long", "default": 9007199254740991}] }'
  const id = await register('text-1', large)
  assert.equal((await ask('GET', `/schemas/ids/${id}`)).body.schema, large.replaceAll(' ', ''))
  const primitive = await register('text-2', '"string"')
  assert.equal(await register('text-3', '{"type": "string"}'), primitive)
  assert.equal((await ask('GET', `/schemas/ids/${primitive}`)).body.schema, '"string"')
  const draft = { schema: JSON.stringify({ type: 'record', name: 'N', namespace: 'x.y', fields: [A] }) }
  const normal = (await ask('POST', '/subjects/text-4/versions?normalize=true', draft)).body.id
  assert.equal(
    (await ask('GET', `/schemas/ids/${normal}`)).body.schema,
    '{"fields":[{"name":"a","type":"int"}],"name":"x.y.N","type":"record"}',
  )
})

test('what is not there has the code that clients look for', async () => {
  await register('codes', record(A))
  assert.deepEqual(await refusal('GET', '/subjects/none/versions'), [404, 40401])
  assert.deepEqual(await refusal('GET', '/subjects/none/versions/1'), [404, 40401])
  assert.deepEqual(await refusal('GET', '/subjects/codes/versions/9'), [404, 40402])
  assert.deepEqual(await refusal('GET', '/subjects/codes/versions/0'), [422, 42202])
  assert.deepEqual(await refusal('GET', '/subjects/codes/versions/first'), [422, 42202])
  assert.deepEqual(await refusal('GET', '/schemas/ids/99999'), [404, 40403])
  assert.deepEqual(await refusal('GET', '/schemas/ids/x'), [404, 40403])
  assert.deepEqual(await refusal('POST', '/subjects/codes', { schema: record(B) }), [404, 40403])
  assert.deepEqual(await refusal('POST', '/subjects/none', { schema: record(A) }), [404, 40401])
  assert.deepEqual(await refusal('DELETE', '/subjects/none'), [404, 40401])
  assert.deepEqual(await refusal('GET', '/no-such-path'), [404, 404])
  assert.deepEqual(await refusal('GET', '/config/codes'), [404, 40408])
  assert.deepEqual(await refusal('GET', '/mode/codes'), [404, 40409])
  assert.deepEqual(await refusal('PUT', '/config/codes', { compatibility: 'ALWAYS' }), [422, 42203])
  assert.deepEqual(await refusal('PUT', '/mode/codes', { mode: 'SOMETIMES' }), [422, 42204])
})

test('what is no schema is refused, and says why', async () => {
  const deep = `${'['.repeat(3000)}${']'.repeat(3000)}`
  for (const schema of ['', '{', '{"type":"record"}', '"nope"', '["int","int"]', deep]) {
    assert.deepEqual(await refusal('POST', '/subjects/bad/versions', { schema }), [422, 42201], schema.slice(0, 30))
  }
  const proto = { schema: 'syntax = "proto3"; message M {}', schemaType: 'PROTOBUF' }
  assert.deepEqual(await refusal('POST', '/subjects/bad/versions', proto), [422, 42201])
  const rules = { schema: record(A), ruleSet: { domainRules: [] } }
  assert.deepEqual(await refusal('POST', '/subjects/bad/versions', rules), [422, 42201])
  assert.deepEqual(await refusal('POST', '/subjects/:.context:s/versions', { schema: record(A) }), [422, 42208])
  assert.deepEqual(await refusal('POST', '/subjects/bad/versions', []), [422, 422])
  const large = { schema: record({ ...A, doc: 'x'.repeat(1_100_000) }) }
  assert.deepEqual(await refusal('POST', '/subjects/bad/versions', large), [413, 413])
  assert.equal((await ask('POST', '/subjects/bad/versions', { schema: record(A) }, 'text/plain')).status, 415)
  assert.deepEqual((await ask('GET', '/schemas/types')).body, ['JSON', 'AVRO'])
  assert.deepEqual((await ask('GET', '/')).body, {})
})

test('levels decide what may be registered, for all subjects or for one', async () => {
  assert.deepEqual((await ask('GET', '/config')).body, { compatibilityLevel: 'BACKWARD' })
  await register('levels', record(A))
  const draft = { schema: record(A, NEEDED) }
  assert.deepEqual(await refusal('POST', '/subjects/levels/versions', draft), [409, 409])
  const check = '/compatibility/subjects/levels/versions'
  assert.deepEqual((await ask('POST', `${check}/latest`, draft)).body, { is_compatible: false })
  const verbose = (await ask('POST', `${check}/1?verbose=true`, draft)).body
  assert.equal(verbose.is_compatible, false)
  assert.match(verbose.messages[0]!, /c is not written and has no default/)
  assert.deepEqual((await ask('POST', check, { schema: record(A, B) })).body, { is_compatible: true })
  assert.deepEqual(await refusal('POST', `${check}/7`, draft), [404, 40402])

  assert.deepEqual((await ask('PUT', '/config/levels', { compatibility: 'FORWARD' })).body, {
    compatibility: 'FORWARD',
  })
  assert.deepEqual((await ask('GET', '/config/levels')).body, { compatibilityLevel: 'FORWARD' })
  await register('levels', draft.schema)
  assert.deepEqual(await refusal('POST', '/subjects/levels/versions', { schema: record(NEEDED) }), [409, 409])
  await ask('PUT', '/config/levels', { compatibility: 'NONE' })
  await register('levels', record(NEEDED))
  await ask('PUT', '/config/levels', { compatibility: 'FULL_TRANSITIVE' })
  assert.deepEqual(await refusal('POST', '/subjects/levels/versions', { schema: record(NEEDED, B) }), [409, 409])
  await ask('PUT', '/config/levels', { compatibility: 'FULL' })
  await register('levels', record(NEEDED, B))
  assert.deepEqual((await ask('DELETE', '/config/levels')).body, { compatibilityLevel: 'FULL' })
  assert.deepEqual((await ask('GET', '/config/levels?defaultToGlobal=true')).body, { compatibilityLevel: 'BACKWARD' })
})

test('what is deleted softly can still be read, and what is deleted for good is gone', async () => {
  const id = await register('gone', record(A))
  await register('gone', record(A, B))
  assert.deepEqual(await refusal('DELETE', '/subjects/gone/versions/1?permanent=true'), [404, 40407])
  assert.equal((await ask('DELETE', '/subjects/gone/versions/1')).body, 1)
  assert.deepEqual(await refusal('DELETE', '/subjects/gone/versions/1'), [404, 40406])
  assert.deepEqual((await ask('GET', '/subjects/gone/versions')).body, [2])
  assert.deepEqual((await ask('GET', '/subjects/gone/versions?deleted=true')).body, [1, 2])
  assert.deepEqual((await ask('GET', '/subjects/gone/versions?deletedOnly=true')).body, [1])
  assert.deepEqual(await refusal('GET', '/subjects/gone/versions/1'), [404, 40402])
  assert.equal((await ask('GET', '/subjects/gone/versions/1?deleted=true')).body.id, id)
  assert.deepEqual(await refusal('POST', '/subjects/gone', { schema: record(A) }), [404, 40403])
  assert.equal((await ask('POST', '/subjects/gone?deleted=true', { schema: record(A) })).body.version, 1)
  assert.equal((await ask('GET', `/schemas/ids/${id}`)).status, 200)
  assert.equal(await register('gone', record(A)), id, 'its id comes back with a new version')
  assert.deepEqual((await ask('GET', '/subjects/gone/versions')).body, [2, 3])

  assert.deepEqual(await refusal('DELETE', '/subjects/gone?permanent=true'), [404, 40405])
  await ask('PUT', '/config/gone', { compatibility: 'NONE' })
  assert.deepEqual((await ask('DELETE', '/subjects/gone')).body, [2, 3])
  assert.deepEqual(await refusal('DELETE', '/subjects/gone'), [404, 40404])
  assert.deepEqual(await refusal('GET', '/subjects/gone/versions'), [404, 40401])
  assert.ok(!(await ask<string[]>('GET', '/subjects?subjectPrefix=gone')).body.includes('gone'))
  assert.deepEqual((await ask('GET', '/subjects?subjectPrefix=gone&deleted=true')).body, ['gone'])
  assert.deepEqual((await ask('DELETE', '/subjects/gone?permanent=true')).body, [1, 2, 3])
  assert.deepEqual((await ask('GET', '/subjects?subjectPrefix=gone&deleted=true')).body, [])
  assert.deepEqual(await refusal('GET', '/config/gone'), [404, 40408])
  await register('gone', record(B))
  assert.deepEqual((await ask('GET', '/subjects/gone/versions')).body, [1])
})

test('references are resolved, told, and keep what they lead to', async () => {
  const money = { type: 'record', name: 'Money', namespace: 'bank', fields: [{ name: 'cents', type: 'long' }] }
  await register('money', JSON.stringify(money))
  const price = { name: 'price', type: 'bank.Money' }
  const order = JSON.stringify({
    type: 'record',
    name: 'Order',
    namespace: 'shop',
    fields: [price, { ...price, name: 'tax' }],
  })
  const references = [{ name: 'bank.Money', subject: 'money', version: 1 }]
  assert.deepEqual(await refusal('POST', '/subjects/orders/versions', { schema: order }), [422, 42201])
  const elsewhere = [{ ...references[0], version: 5 }]
  assert.deepEqual(
    await refusal('POST', '/subjects/orders/versions', { schema: order, references: elsewhere }),
    [422, 42201],
  )
  const id = await register('orders', order, { references })
  assert.deepEqual((await ask('GET', `/schemas/ids/${id}`)).body, { references, schema: order })
  assert.deepEqual((await ask('GET', '/subjects/money/versions/1/referencedby')).body, [id])
  assert.deepEqual(await refusal('DELETE', '/subjects/money'), [422, 42206])
  assert.deepEqual(await refusal('DELETE', '/subjects/money/versions/1'), [422, 42206])
  const wider = { schema: order.replace('"name":"tax"', '"name":"fee"'), references }
  assert.deepEqual((await ask('POST', '/compatibility/subjects/orders/versions/latest', wider)).body, {
    is_compatible: false,
  })
  await ask('DELETE', '/subjects/orders')
  assert.deepEqual(await refusal('DELETE', '/subjects/money'), [422, 42206])
  await ask('DELETE', '/subjects/orders?permanent=true')
  assert.deepEqual((await ask('DELETE', '/subjects/money')).body, [1])
})

test('JSON Schemas are kept and compared', async () => {
  const person = (more: object = {}, required: string[] = ['name']) =>
    JSON.stringify({
      type: 'object',
      properties: { name: { type: 'string' }, ...more },
      required,
      additionalProperties: false,
    })
  const json = { schemaType: 'JSON' }
  const id = await register('people', person(), json)
  assert.deepEqual((await ask('GET', `/schemas/ids/${id}`)).body, { schemaType: 'JSON', schema: person() })
  await register('people', person({ age: { type: 'integer' } }), json)
  const needed = { schema: person({ age: { type: 'integer' } }, ['name', 'age']), ...json }
  assert.deepEqual(await refusal('POST', '/subjects/people/versions', needed), [409, 409])
  assert.deepEqual(await refusal('POST', '/subjects/people/versions', { schema: record(A) }), [409, 409])
  const wrong = { schema: '{"type":"thing"}', ...json }
  assert.deepEqual(await refusal('POST', '/subjects/people/versions', wrong), [422, 42201])
})

test('modes say who may write, and IMPORT takes ids from outside', async () => {
  await register('modes', record(A))
  await ask('PUT', '/mode/modes', { mode: 'READONLY' })
  assert.deepEqual((await ask('GET', '/mode/modes')).body, { mode: 'READONLY' })
  assert.deepEqual(await refusal('POST', '/subjects/modes/versions', { schema: record(A, B) }), [422, 42205])
  assert.deepEqual(await refusal('DELETE', '/subjects/modes'), [422, 42205])
  assert.deepEqual(await refusal('PUT', '/mode/modes', { mode: 'IMPORT' }), [422, 42205])
  assert.deepEqual((await ask('DELETE', '/mode/modes')).body, { mode: 'READONLY' })
  assert.deepEqual((await ask('GET', '/mode')).body, { mode: 'READWRITE' })

  const given = { schema: record(B, NEEDED), id: 5000, version: 7 }
  assert.deepEqual(await refusal('POST', '/subjects/imported/versions', given), [422, 42205])
  await ask('PUT', '/mode/imported', { mode: 'IMPORT' })
  assert.equal(await register('imported', given.schema, { id: 5000, version: 7 }), 5000)
  assert.deepEqual((await ask('GET', '/subjects/imported/versions')).body, [7])
  const clash = { schema: record(B), id: 5000, version: 8 }
  assert.deepEqual(await refusal('POST', '/subjects/imported/versions', clash), [422, 42205])
  assert.deepEqual(await refusal('POST', '/subjects/imported/versions', { schema: record(B) }), [422, 42205])
  await ask('DELETE', '/mode/imported')
  assert.ok((await register('imported-2', record({ ...A, name: 'new' }))) > 5000)
})

test('with tokens it asks for one: as Bearer, or as the password of HTTP Basic', async () => {
  const locked = await serve([site.running], { port: 0, tokens: [TOKEN] })
  try {
    const status = async (authorization: string | null, path = '/registry/subjects', method = 'GET') => {
      const headers: Record<string, string> = authorization === null ? {} : { authorization }
      const response = await fetch(locked.url + path, { headers, method })
      await response.arrayBuffer()
      return response.status
    }
    const basic = (password: string) => `Basic ${Buffer.from(`anyone:${password}`).toString('base64')}`
    assert.equal(await status(basic(TOKEN)), 200)
    assert.equal(await status(`Bearer ${TOKEN}`), 200)
    const routes = [
      '/subjects',
      '/subjects/s/versions',
      '/schemas/ids/1',
      '/config',
      '/mode/s',
      '/contexts',
      '/',
      '/nope',
    ]
    for (const path of routes) {
      for (const wrong of [null, basic('wrong'), basic(''), `Bearer wrong`, `Basic ${TOKEN}`, 'Basic !']) {
        for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
          assert.equal(await status(wrong, `/registry${path}`, method), 401, `${method} ${path} ${wrong}`)
        }
      }
    }
    assert.equal(await status(basic(TOKEN), '/registry/what/newer/ones/have'), 404)
    assert.equal(await status(basic(TOKEN), '/topics'), 401, 'the rest of the API takes no Basic')
    const refused = await fetch(`${locked.url}/registry/subjects`)
    assert.equal(((await refused.json()) as { error_code: number }).error_code, 401)
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Basic /)
  } finally {
    await locked.close()
  }
})
