import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import { webhooksFromEnvironment } from './environment.ts'
import { outboxFromEnvironment } from './outbox.ts'
import { newKey } from './sealing.ts'

const key = newKey()

function optionRefused(environment: Record<string, string>): string {
  try {
    webhooksFromEnvironment(environment)
  } catch (error) {
    assert.ok(error instanceof AldebaranError && error.code === 'OPTION_INVALID', String(error))
    return error.message
  }
  return 'nothing'
}

test('with a key alone everything is as usual, and only public addresses by https may be used', () => {
  const { application, events, attempts, sender } = webhooksFromEnvironment({ WEBHOOKS_KEY: key })
  assert.equal(application.name, 'webhooks')
  assert.equal(events.options.partitions, 4)
  assert.equal(attempts.options.retentionMs, 7 * 86_400_000)
  sender.check('https://hooks.example.com/a')
  for (const url of ['http://hooks.example.com/', 'https://127.0.0.1/', 'https://hooks.example.com:9000/']) {
    assert.throws(() => sender.check(url), { code: 'ADDRESS_REFUSED' }, url)
  }
})

test('the environment sets limits, addresses and times', () => {
  const { events, attempts, sender } = webhooksFromEnvironment({
    WEBHOOKS_KEY: key,
    WEBHOOKS_PARTITIONS: '2',
    WEBHOOKS_RETRY: '1s, 2s',
    WEBHOOKS_TIMEOUT: '15s',
    WEBHOOKS_ATTEMPTS_RETENTION: '1d',
    WEBHOOKS_CONCURRENCY: '10',
    WEBHOOKS_ENDPOINT_RATE: '5/s',
    WEBHOOKS_ENDPOINT_CONCURRENCY: '3',
    WEBHOOKS_ACCOUNT_RATE: '100/s',
    WEBHOOKS_ALLOW_HTTP: 'true',
    WEBHOOKS_ALLOW: '10.1.0.0/16, *.internal.example',
    WEBHOOKS_PORTS: 'any',
    WEBHOOKS_TRUSTED: 'http://127.0.0.1:4000',
  })
  assert.equal(events.options.partitions, 2)
  assert.equal(attempts.options.retentionMs, 86_400_000)
  for (const url of ['http://10.1.2.3:9000/', 'https://a.internal.example/', 'http://127.0.0.1:4000/x'])
    sender.check(url)
  assert.throws(() => sender.check('http://127.0.0.1:4001/x'), { code: 'ADDRESS_REFUSED' })
})

test('an outbox that cannot be is named before anything runs', () => {
  const webhooks = webhooksFromEnvironment({ WEBHOOKS_KEY: key })
  const url = 'postgres://hooks@127.0.0.1/shop'
  for (const [variables, message] of [
    [{ WEBHOOKS_OUTBOX_URL: 'mysql://x' }, /^WEBHOOKS_OUTBOX_URL: is no address such as postgres:/],
    [{ WEBHOOKS_OUTBOX_URL: url, WEBHOOKS_OUTBOX_TABLE: 'a b' }, /^WEBHOOKS_OUTBOX_TABLE: 'a b' is no name/],
  ] as const) {
    assert.throws(() => outboxFromEnvironment(webhooks, variables), { code: 'OPTION_INVALID', message })
  }
  assert.equal(outboxFromEnvironment(webhooks, { WEBHOOKS_OUTBOX_URL: url }).length, 1)
  assert.deepEqual(outboxFromEnvironment(webhooks, {}), [])
})

test('what is wrong is named', () => {
  assert.match(optionRefused({}), /^WEBHOOKS_KEY: is not set/)
  assert.match(optionRefused({ WEBHOOKS_KEY: 'abc' }), /^WEBHOOKS_KEY: each key is 32 bytes/)
  for (const [name, value] of [
    ['WEBHOOKS_PARTITIONS', '0'],
    ['WEBHOOKS_ALLOW_HTTP', 'yes'],
    ['WEBHOOKS_TRUSTED', 'http://127.0.0.1:4000/path'],
    ['WEBHOOKS_TRUSTED', 'file:///etc'],
    ['WEBHOOKS_ENDPOINT_CONCURRENCY', '-1'],
    ['WEBHOOKS_ALLOW', 'abc/99'],
    ['WEBHOOKS_PORTS', 'https'],
    ['WEBHOOKS_PORTS', '443,any'],
    ['WEBHOOKS_PORTS', '70000'],
  ] as const) {
    assert.ok(optionRefused({ WEBHOOKS_KEY: key, [name]: value }).startsWith(`${name}:`), name)
  }
  for (const name of ['WEBHOOKS_RETRY', 'WEBHOOKS_TIMEOUT', 'WEBHOOKS_ENDPOINT_RATE', 'WEBHOOKS_DISABLE_AFTER']) {
    assert.notEqual(optionRefused({ WEBHOOKS_KEY: key, [name]: 'soon' }), 'nothing', name)
  }
})
