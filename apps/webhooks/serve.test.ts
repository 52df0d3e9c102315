/** The notifier as `npm start` serves it: with its own key, and with sample data. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { verify } from 'aldebaran/webhooks/verify'
import { EVENT_TYPE } from './app.ts'
import { sampleEvents } from './samples.ts'
import { serveApplication } from './serve.ts'
import { WebhooksSite } from './test/site.ts'

test('without a key one is made beside the data, for its owner alone; after a restart everything opens with it', async () => {
  const site = await WebhooksSite.open({ WEBHOOKS_KEY: '' })
  try {
    const file = join(site.folder, 'webhooks.key')
    const key = readFileSync(file, 'utf8')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const { id, secret } = await site.endpoint('acme', '/kept')
    await site.restart()
    assert.equal(readFileSync(file, 'utf8'), key)
    assert.equal((await site.call('GET', `/acme/endpoints/${id}/secret`)).body.secrets[0].secret, secret)
    await site.event('acme', 'x', 1)
    await site.until(() => site.receiver.to('/kept').length === 1)
    const { headers, body } = site.receiver.to('/kept')[0]!
    verify(headers, body, secret)
  } finally {
    await site.close()
  }
  assert.equal(process.env.WEBHOOKS_KEY, '')
})

test('the samples reach a healthy and a slow receiver, one that fails is tried again, one that is gone is disabled', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-webhooks-'))
  const errors: string[] = []
  const settings = { data: join(folder, 'webhooks'), host: '127.0.0.1', port: 0, durability: 'process' as const }
  const running = await serveApplication({
    ...settings,
    speed: 1000,
    report: (level, message) => {
      if (level === 'error') errors.push(message)
    },
  })
  try {
    const ask = async (path: string) => {
      const response = await fetch(running.url + path)
      // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, which the test looks into
      return (await response.json()) as any
    }
    let states: Record<string, string> = {}
    const expected = { Warehouse: 'delivered', Ledger: 'delivered', 'Old shop': 'retry', 'Former partner': 'disable' }
    while (Object.entries(expected).some(([name, outcome]) => states[name] !== outcome)) {
      await running.log.changed(100)
      const { endpoints } = await ask('/webhooks/accounts/demo/endpoints')
      const found: [string, string][] = []
      for (const { id, description } of endpoints) {
        const { attempts } = await ask(`/webhooks/accounts/demo/endpoints/${id}/attempts?limit=1`)
        found.push([description.split(':')[0], attempts[0]?.outcome ?? ''])
      }
      states = Object.fromEntries(found)
    }
    assert.deepEqual(states, expected)
    assert.deepEqual(errors, [])
  } finally {
    await running.stop()
    rmSync(folder, { recursive: true })
  }
})

test('the sample has real events of many types', async () => {
  const types = new Set<string>()
  let count = 0
  for await (const { type, data } of sampleEvents()) {
    assert.ok(typeof data === 'object' && data !== null)
    assert.match(type, EVENT_TYPE)
    types.add(type)
    count++
  }
  assert.deepEqual([count, types.size], [326, 160])
})
