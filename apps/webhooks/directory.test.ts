/** Changes of accounts, with others that come between as those of another node do. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AldebaranError, Producer } from 'aldebaran'
import type { Webhooks } from './app.ts'
import { Directory } from './directory.ts'
import { webhooksFromEnvironment } from './environment.ts'
import { newKey } from './sealing.ts'
import { WebhooksSite } from './test/site.ts'

let site: WebhooksSite
let webhooks: Webhooks
before(async () => {
  const WEBHOOKS_KEY = newKey()
  site = await WebhooksSite.open({ WEBHOOKS_KEY })
  webhooks = webhooksFromEnvironment({ WEBHOOKS_KEY })
})
after(() => site.close())

test('a change of an endpoint that another one deletes just before is refused', async () => {
  const { id } = await site.endpoint('acme', '/gone')
  const elsewhere = new Producer(site.running.log)
  const changed = new Directory(webhooks, site.running).change('acme', () => {
    elsewhere.send(webhooks.changes, 'acme', { change: 'delete', id })
    void elsewhere.flush()
    return { change: 'update', id, at: 1, fields: { description: 'too late' } }
  })
  await assert.rejects(changed, error => error instanceof AldebaranError && error.code === 'NOT_FOUND')
  assert.deepEqual((await site.call('GET', '/acme/endpoints')).body, { endpoints: [] })
})

test('a change goes through though another one comes between', async () => {
  const { id } = await site.endpoint('bolt', '/both')
  const elsewhere = new Producer(site.running.log)
  const account = await new Directory(webhooks, site.running).change('bolt', () => {
    elsewhere.send(webhooks.changes, 'bolt', { change: 'update', id, at: 1, fields: { types: ['a.*'] } })
    void elsewhere.flush()
    return { change: 'update', id, at: 2, fields: { description: 'mine' } }
  })
  const [endpoint] = account.endpoints
  assert.deepEqual([endpoint?.types, endpoint?.description], [['a.*'], 'mine'])
})
