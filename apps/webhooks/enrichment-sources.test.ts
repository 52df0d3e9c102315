/** Enrichments as they are written in the environment. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { AldebaranError, DeliveryError } from 'aldebaran'
import { Enricher } from './enrichment.ts'
import { parseEnrichments } from './enrichment-sources.ts'

const URL = 'postgres://user:private@127.0.0.1/shop'
const QUERY = 'select id::text as key, name from customers where id::text = any($1)'
const usual = { key: 'data.id', into: 'data.customer', query: QUERY }

function keyOf(key: unknown, data: unknown): string | undefined {
  const [enrichment] = parseEnrichments(JSON.stringify([{ ...usual, key }]), URL)
  return enrichment!.key({ account: 'acme', type: 'a.b', timestamp: '2026-01-02T03:04:05Z', data })
}

test('the list is in the variable, or in a file that it names', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-enrich-'))
  try {
    const text = JSON.stringify([{ ...usual, types: ['a.*'], missing: 'reject', batch: 10, expireAfter: '5m' }])
    writeFileSync(join(folder, 'enrich.json'), text)
    for (const given of [text, ` ${text}`, join(folder, 'enrich.json')]) {
      const [{ key, load, close, ...settings }, ...others] = parseEnrichments(given, URL) as [ReturnType<typeof parse>]
      const expected = { types: ['a.*'], missing: 'reject', batch: 10, expireAfter: '5m', into: 'data.customer' }
      assert.deepEqual([settings, others], [expected, []])
      assert.deepEqual([typeof key, typeof load, typeof close], ['function', 'function', 'function'])
    }
    assert.deepEqual(parseEnrichments('', ''), [])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const parse = () => parseEnrichments('', '')[0]!

test('a key is a text or a whole number at its path, or several of them; anything else is none', () => {
  const data = {
    id: 17,
    name: 'Ann',
    deep: { er: 'x' },
    large: 2 ** 53,
    part: 1.5,
    empty: '',
    yes: true,
    nothing: null,
  }
  assert.equal(keyOf('data.id', data), '17')
  assert.equal(keyOf('data.deep.er', data), 'x')
  assert.equal(keyOf('account', data), 'acme')
  assert.equal(keyOf(['account', 'data.id'], data), 'acme/17')
  assert.equal(keyOf(['type', 'timestamp'], null), 'a.b/2026-01-02T03:04:05Z')
  for (const name of ['large', 'part', 'empty', 'yes', 'nothing', 'deep', 'toString', 'name.length']) {
    assert.equal(keyOf(`data.${name}`, data), undefined, name)
    assert.equal(keyOf(['account', `data.${name}`], data), undefined, name)
  }
})

test('what is wrong is named with its place, and nothing private is repeated', () => {
  const refused: [RegExp, string, string?][] = [
    [/^WEBHOOKS_ENRICH: is no JSON/, '[{"headers": "very private"'],
    [/^WEBHOOKS_ENRICH: .*ENOENT/, '/nowhere/enrich.json'],
    ...[
      [/is no object/, 1],
      [/has 'tpyes'/, { ...usual, tpyes: [] }],
      [/needs 'into'/, { ...usual, into: 1 }],
      [/'types' is a list/, { ...usual, types: 'a' }],
      [/needs 'key'/, { ...usual, key: undefined }],
      [/needs 'key'/, { ...usual, key: 'data' }],
      [/needs 'key'/, { ...usual, key: [] }],
      [/needs 'key'/, { ...usual, key: ['customer'] }],
      [/either 'query' or 'url'/, { ...usual, url: 'http://127.0.0.1' }],
      [/either 'query' or 'url'/, { ...usual, query: undefined }],
      [/\$1/, { ...usual, query: 'select 1' }],
      [/'url' is no address/, { ...usual, query: undefined, url: 'ftp://127.0.0.1' }],
      [/'headers' is an object of texts/, { ...usual, query: undefined, url: 'http://127.0.0.1', headers: { a: 1 } }],
      [/timeout/, { ...usual, timeout: 'soon' }],
    ].map(([message, one]): [RegExp, string] => [message as RegExp, JSON.stringify([usual, one])]),
    [/set WEBHOOKS_ENRICH_URL/, JSON.stringify([usual]), 'mysql://user:private@127.0.0.1'],
  ]
  for (const [message, text, url = URL] of refused) {
    assert.throws(
      () => parseEnrichments(text, url),
      (error: unknown) =>
        error instanceof AldebaranError &&
        error.code === 'OPTION_INVALID' &&
        message.test(error.message) &&
        error.message.startsWith('WEBHOOKS_ENRICH') &&
        !/private/.test(error.message),
      text,
    )
  }
  for (const change of [{ missing: 'keep' }, { batch: '10' }, { maxBytes: 'much' }, { into: 'type' }]) {
    const text = JSON.stringify([{ ...usual, ...change }])
    assert.throws(() => new Enricher(parseEnrichments(text, URL)), { code: 'OPTION_INVALID' }, text)
  }
})

describe('a service', () => {
  /** What `load` comes to when the service answers so. */
  async function answered(status: number, body: string): Promise<{ values?: unknown; fate?: string; message: string }> {
    const asked: unknown[] = []
    const server = createServer((request, response) => {
      asked.push([request.method, request.headers.authorization, request.headers['content-type']])
      request.resume().on('end', () => response.writeHead(status, { location: '/elsewhere' }).end(body))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/look`
    const headers = { authorization: 'Bearer x' }
    const [one] = parseEnrichments(JSON.stringify([{ key: 'data.id', into: 'data.x', url, headers }]), '')
    try {
      const values = await one!.load(['a', 'b'], new AbortController().signal)
      assert.deepEqual(asked, [['POST', 'Bearer x', 'application/json']])
      return { values: [...values], message: '' }
    } catch (error) {
      const { message } = error as Error
      return { ...(error instanceof DeliveryError ? { fate: error.fate } : {}), message }
    } finally {
      await one!.close!()
      server.closeAllConnections()
      server.close()
    }
  }

  test('answers with the values that it has', async () => {
    const { values } = await answered(200, '{"values": {"a": {"name": "Ann"}, "b": null}}')
    assert.deepEqual(values, [['a', { name: 'Ann' }]])
  })

  test('refuses what was asked, or is down', async () => {
    for (const status of [400, 404, 422]) assert.equal((await answered(status, '')).fate, 'retry', String(status))
    for (const status of [302, 408, 429, 500, 503]) {
      const { fate, message } = await answered(status, '')
      assert.equal(fate, undefined)
      assert.match(message, new RegExp(`answered ${status}`))
    }
    for (const body of ['', 'null', '[]', '{"values": []}', '{"a": 1}']) {
      const { fate, message } = await answered(200, body)
      assert.deepEqual([fate, /without \{"values"/.test(message)], [undefined, true], body)
    }
    const [none] = parseEnrichments(JSON.stringify([{ ...usual, query: undefined, url: 'http://127.0.0.1:1/' }]), '')
    await assert.rejects(none!.load(['a'], new AbortController().signal), /127\.0\.0\.1:1/)
  })

  test('may not answer without end', async () => {
    const { fate, message } = await answered(200, `{"values": {"a": "${'x'.repeat(16_000_001)}"}}`)
    assert.deepEqual([fate, /more than 16MB/.test(message)], ['retry', true], message)
  })
})
