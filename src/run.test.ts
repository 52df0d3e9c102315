import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSettingsOf, type ServeSettings } from './run.ts'
import { embedded } from './runtime/log-location.ts'

const HANDED: ServeSettings = { data: 'data/shop', host: '127.0.0.1', port: 8001 }
const entry = new URL('file:///shop/entry.js')

test('an application is served from its folder, durably, and leaves signals to whoever serves', () => {
  assert.deepEqual(runSettingsOf(HANDED, { entry }), {
    signals: false,
    log: embedded('data/shop', { durability: 'disk' }),
    http: { host: '127.0.0.1', port: 8001 },
    entry,
  })
})

test('the log, the workers and the report that it is handed are those it runs with, beside its own routes, metrics and sources', () => {
  const log = embedded('elsewhere')
  const report = () => {}
  const routes = [
    { method: 'GET' as const, path: '/shop', summary: 'all of it', tag: 'shop', answers: 'it', handle: () => null },
  ]
  const metrics = [{ name: 'shop_sales_total', help: 'all', type: 'counter' as const, read: () => 1 }]
  const sources = [{ name: 'orders', start: async () => assert.fail('nothing is started') }]
  assert.deepEqual(runSettingsOf({ ...HANDED, log, workers: 3, report }, { entry, routes, metrics, sources }), {
    signals: false,
    log,
    http: { host: '127.0.0.1', port: 8001, routes, metrics },
    entry,
    sources,
    workers: 3,
    report,
  })
  const { signal } = new AbortController()
  const quick = runSettingsOf({ ...HANDED, durability: 'process', signal }, { entry })
  assert.deepEqual(quick.log, embedded('data/shop', { durability: 'process' }))
  assert.equal(quick.signal, signal)
})
