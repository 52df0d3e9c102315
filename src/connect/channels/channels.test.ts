import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseChannel } from './channels.ts'
import { alert, attempt } from './test/apparatus.ts'
import { httpServer } from './test/http-server.ts'

const pem = (type: 'ec' | 'rsa') =>
  (type === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 })
  ).privateKey
    .export({ type: 'pkcs8', format: 'pem' })
    .toString()

const ENVIRONMENT = {
  TOKEN: 'tok-9',
  // As a file of settings for a shell has it: line breaks as two characters.
  EC_KEY: pem('ec').replaceAll('\n', '\\n'),
  RSA_KEY: pem('rsa'),
  EMPTY: '',
}

const GOOD: Record<string, Record<string, unknown>> = {
  email: {
    host: 'h',
    from: 'a@b',
    to: ['c@d', 'e@f'],
    auth: { user: 'u', password: 'env:TOKEN' },
    tls: { servername: 's' },
  },
  sms: { accountSid: 'AC1', authToken: 'env:TOKEN', to: '+1', from: '+2', longest: 160, timeout: '5s' },
  apns: { teamId: 'T', keyId: 'K', privateKey: 'env:EC_KEY', topic: 'app', to: 'ab', expires: 60_000 },
  fcm: { projectId: 'p', clientEmail: 'e', privateKeyId: 'k', privateKey: 'env:RSA_KEY', to: 'd' },
  nagios: { host: 'h', service: 's', nsca: { host: 'n', encryption: 'aes', password: 'env:TOKEN' } },
  webhook: {
    endpoint: 'https://h/p',
    signature: { secret: 'env:TOKEN' },
    headers: { 'x-a': 'env:TOKEN' },
    idempotent: true,
  },
}

for (const [type, settings] of Object.entries(GOOD)) {
  test(`settings of ${type} make a channel of that name, or of their own`, async () => {
    const channel = await parseChannel({ type, ...settings }, ENVIRONMENT)
    const named = await parseChannel({ type, name: 'night shift', ...settings }, ENVIRONMENT)
    assert.deepEqual([channel.name, named.name], [type, 'night shift'])
    assert.equal(channel.idempotent, type === 'webhook')
    channel.close()
    named.close()
  })
}

test('a credential is taken from the environment', async () => {
  await using server = await httpServer({ status: 201, body: { sid: 'SM1' } })
  const channel = await parseChannel({ type: 'sms', ...GOOD.sms, endpoint: server.url }, ENVIRONMENT)
  await channel.send(alert(), attempt())
  channel.close()
  assert.equal(server.received[0]!.headers.authorization, `Basic ${Buffer.from('AC1:tok-9').toString('base64')}`)
})

test('what cannot be right is refused by name, without its value', async () => {
  const wrong: [unknown, RegExp][] = [
    [null, /^channel/],
    [[], /^channel/],
    [{}, /^type: it must be one of email, sms, apns/],
    [{ type: 'toString' }, /^type/],
    [{ type: 'sms', ...GOOD.sms, sender: 'x' }, /^sender: there is no such option/],
    [{ type: 'sms', ...GOOD.sms, constructor: 'x' }, /^constructor: there is no such option/],
    [{ type: 'sms', ...GOOD.sms, authToken: 'tok-9' }, /^authToken: .*env:NAME/],
    [{ type: 'sms', ...GOOD.sms, authToken: 'env:MISSING' }, /^authToken: .*MISSING is not set/],
    [{ type: 'sms', ...GOOD.sms, authToken: 'env:EMPTY' }, /^authToken: .*EMPTY is not set/],
    [{ type: 'sms', ...GOOD.sms, to: 5 }, /^to: /],
    [{ type: 'sms', ...GOOD.sms, longest: '160' }, /^longest: .*number/],
    [{ type: 'sms', ...GOOD.sms, timeout: true }, /^timeout/],
    [{ type: 'email', ...GOOD.email, auth: 'u' }, /^auth: /],
    [{ type: 'email', ...GOOD.email, to: ['c@d', 7] }, /^to\[1\]/],
    [{ type: 'email', ...GOOD.email, auth: { user: 'u', password: 'tok-9' } }, /^auth\.password/],
    [{ type: 'webhook', ...GOOD.webhook, headers: { authorization: 'tok-9' } }, /^headers\.authorization/],
    [{ type: 'webhook', ...GOOD.webhook, idempotent: 'true' }, /^idempotent/],
    [{ type: 'nagios', host: 'h', nsca: { host: 'n', port: '5667' } }, /^nsca\.port/],
  ]
  for (const [settings, message] of wrong) {
    const error = await parseChannel(settings, ENVIRONMENT).then(
      () => assert.fail(`taken: ${JSON.stringify(settings)}`),
      (failure: Error & { code: string }) => failure,
    )
    assert.equal(error.code, 'OPTION_INVALID')
    assert.match(error.message, message)
    assert.doesNotMatch(error.message, /tok-9/)
  }
})
