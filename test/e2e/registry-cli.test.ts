import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { aldebaran } from './command-here.ts'
import { TestSite } from './http-site.ts'

const TOKEN = 'a-token-of-enough-characters'

let site: TestSite
let folder: string
before(async () => {
  site = await TestSite.open({ tokens: [TOKEN] })
  folder = await mkdtemp(join(tmpdir(), 'aldebaran-schemas-'))
})
after(async () => {
  await site.close()
  await rm(folder, { recursive: true })
})

async function schemas(args: string[], options: { input?: string; terminal?: boolean; token?: string } = {}) {
  const { token = TOKEN, ...others } = options
  const env = { ALDEBARAN_URL: site.url, ALDEBARAN_TOKEN: token }
  const { code, out, err } = await aldebaran(['schemas', ...args], { ...others, env })
  return { code, out, err }
}

const record = (...fields: object[]) => JSON.stringify({ type: 'record', name: 'Order', fields })
const ID = { name: 'id', type: 'long' }

test('schemas are registered, listed, shown, checked and deleted', async () => {
  const file = join(folder, 'order.avsc')
  await writeFile(file, record(ID))
  assert.deepEqual(await schemas(['register', 'orders-value', file]), {
    code: 0,
    out: '{"subject":"orders-value","id":1}\n',
    err: '',
  })
  const person = '{"type":"object"}'
  assert.equal((await schemas(['register', 'people-value', '--type', 'JSON'], { input: person })).code, 0)
  const referring = { input: JSON.stringify({ type: 'record', name: 'Sale', fields: [{ name: 'o', type: 'Order' }] }) }
  assert.equal((await schemas(['register', 'sales', '--reference', 'Order=orders-value:1'], referring)).code, 0)
  const { out } = await schemas(['ls'], { terminal: true })
  assert.match(
    out,
    /SUBJECT +VERSIONS +ID +TYPE\norders-value +1 +1 +AVRO\npeople-value +1 +2 +JSON\nsales +1 +3 +AVRO/,
  )
  assert.equal(JSON.parse((await schemas(['get', 'orders-value'])).out).schema, record(ID))
  assert.equal(JSON.parse((await schemas(['get', '--id', '2'])).out).schema, person)
  assert.match((await schemas(['get', 'sales'], { terminal: true })).out, /schema +\{"type":"record","name":"Sale"/)

  const bad = { input: record(ID, { name: 'x', type: 'int' }), terminal: true }
  const checked = await schemas(['check', 'orders-value'], bad)
  assert.equal(checked.code, 1)
  assert.match(checked.out, /x is not written and has no default/)
  const good = await schemas(['check', 'orders-value', '--at', '1', file], { terminal: true })
  assert.deepEqual([good.code, good.out], [0, 'compatible\n'])
  const refused = await schemas(['register', 'orders-value'], bad)
  assert.equal(refused.code, 1)
  assert.match(refused.err, /REGISTRY_REFUSED/)

  assert.match((await schemas(['delete', 'orders-value'])).err, /references exist/)
  assert.equal((await schemas(['delete', 'people-value', '--at', 'latest'])).out.includes('[1]'), true)
  assert.doesNotMatch((await schemas(['ls'])).out, /people/)
  assert.match((await schemas(['ls', '--deleted', '--prefix', 'peo'], { terminal: true })).out, /people-value +deleted/)
  assert.equal((await schemas(['delete', 'people-value', '--permanent'])).code, 0)
  assert.equal((await schemas(['ls', '--deleted', '--prefix', 'peo'])).out, '')
})

test('another registry is asked with --registry, and is not told the token', async () => {
  const url = `${site.url}/registry`
  const stranger = await schemas(['ls', '--registry', url])
  assert.equal(stranger.code, 1)
  assert.match(stranger.err, /REGISTRY_UNREACHABLE/)
  const known = await schemas(['ls', '--registry', url.replace('://', `://x:${TOKEN}@`)], {
    token: 'no-such-token-at-all',
  })
  assert.match(known.out, /orders-value/)
})

test('a command line that does not say what it must is refused', async () => {
  for (const args of [
    ['get'],
    ['get', 's', '--id', '1'],
    ['register'],
    ['register', 's', '--type', 'XML'],
    ['get', 's', '--at', '0'],
    ['register', 's', '--reference', 'x'],
  ]) {
    assert.equal((await schemas(args)).code, 2, args.join(' '))
  }
})
