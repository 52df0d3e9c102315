import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeliveryFate } from '../../delivery/delivery-error.ts'
import { type SmsSettings, smsChannel } from './sms.ts'
import { alert, attempt, fails } from './test/apparatus.ts'
import { httpServer } from './test/http-server.ts'

const SETTINGS: SmsSettings = { accountSid: 'AC1', authToken: 'tok-9/+ x', to: '+15550001', from: '+15550002' }
const CREATED = { status: 201, body: { sid: 'SM1', status: 'queued', error_code: null } }

function channel(changes: Partial<SmsSettings>) {
  const made = smsChannel({ ...SETTINGS, ...changes })
  return { ...made, [Symbol.dispose]: () => made.close() }
}

test('a message is a form with basic authentication', async () => {
  await using server = await httpServer(CREATED)
  using sms = channel({ endpoint: `${server.url}/proxy/` })
  await sms.send(alert({ text: 'a&To=+1999\nb' }), attempt())
  const [request] = server.received
  assert.equal(request!.path, '/proxy/2010-04-01/Accounts/AC1/Messages.json')
  assert.equal(request!.headers.authorization, `Basic ${Buffer.from('AC1:tok-9/+ x').toString('base64')}`)
  assert.equal(request!.headers['content-type'], 'application/x-www-form-urlencoded')
  // What stands in a text adds no field.
  assert.deepEqual(
    [...new URLSearchParams(request!.body)],
    [
      ['To', '+15550001'],
      ['Body', '[CRITICAL] Account 7 overbought\na&To=+1999\nb'],
      ['From', '+15550002'],
    ],
  )
  assert.equal(sms.idempotent, false)
})

test('a messaging service, an API key and a recipient of the alert', async () => {
  await using server = await httpServer(CREATED)
  const from = `MG${'0'.repeat(32)}`
  using sms = channel({ endpoint: server.url, from, apiKey: 'SK1', to: ({ data }) => String(data.phone), longest: 20 })
  await sms.send(alert({ data: { phone: '+4412345' } }), attempt())
  const form = new URLSearchParams(server.received[0]!.body)
  assert.deepEqual([form.get('MessagingServiceSid'), form.get('From')], [from, null])
  assert.equal(form.get('To'), '+4412345')
  assert.equal(form.get('Body'), '[CRITICAL] Account …')
  assert.equal(server.received[0]!.headers.authorization, `Basic ${Buffer.from('SK1:tok-9/+ x').toString('base64')}`)
  await fails(sms.send(alert({ data: { phone: '' } }), attempt()), 'reject')
})

const ANSWERS: [string, number, unknown, DeliveryFate][] = [
  ['no such number', 400, { code: 21211, message: "The 'To' number is not valid" }, 'reject'],
  ['the recipient wants no more', 400, { code: 21610, message: 'Attempt to send to unsubscribed recipient' }, 'reject'],
  ['too many at once', 429, { code: 20429, message: 'Too many requests' }, 'throttle'],
  ['a full queue', 400, { code: 21611, message: 'exceeded the maximum number of queued messages' }, 'throttle'],
  ['a wrong token', 401, { code: 20003, message: 'Authenticate' }, 'retry'],
  ['a wrong account', 404, { code: 20404, message: 'not found' }, 'reject'],
  ['a redirect', 307, '', 'reject'],
  ['a defect at Twilio', 500, { code: 20500, message: 'Internal Server Error' }, 'unknown'],
  ['a gateway that lost the answer', 504, '<html>', 'unknown'],
  ['taken, and failed at once', 201, { sid: 'SM1', status: 'failed', error_code: 30008 }, 'reject'],
]
for (const [what, status, body, fate] of ANSWERS) {
  test(`${what} (${status}): ${fate}`, async () => {
    await using server = await httpServer({ status, body })
    using sms = channel({ endpoint: server.url })
    const { message } = await fails(sms.send(alert(), attempt()), fate)
    assert.match(message, /Twilio/)
  })
}

test('throttling lasts as long as Retry-After says', async () => {
  await using server = await httpServer({ status: 429, body: { code: 20429 }, headers: { 'retry-after': '12' } })
  using sms = channel({ endpoint: server.url })
  assert.equal((await fails(sms.send(alert(), attempt()), 'throttle')).retryAfter, 12_000)
})

test('an answer that repeats the credentials is told without them', async () => {
  const basic = Buffer.from('AC1:tok-9/+ x').toString('base64')
  await using server = await httpServer({ status: 400, body: { code: 1, message: `bad tok-9/+ x and\r\n${basic}` } })
  using sms = channel({ endpoint: server.url })
  const { message } = await fails(sms.send(alert(), attempt()), 'reject')
  assert.equal(message, 'Twilio answers 400 1: bad *** and ***')
})

test('a reset after the form came leaves it unknown', async () => {
  await using server = await httpServer('reset')
  using sms = channel({ endpoint: server.url })
  await fails(sms.send(alert(), attempt()), 'unknown')
})

test('settings that cannot be right are refused by name, without their values', () => {
  const wrong: [Partial<SmsSettings>, RegExp][] = [
    [{ authToken: '' }, /^authToken/],
    [{ authToken: 'tok-9\nX: y' }, /^authToken/],
    [{ longest: 5000 }, /^longest/],
    [{ endpoint: 'http://api.example.com' }, /^endpoint: .*https/],
    [{ endpoint: 'https://me:tok-9@api.example.com' }, /^endpoint/],
    [{ endpoint: 'nonsense' }, /^endpoint/],
    [{ timeout: 'soon' }, /^timeout/],
    [{ timeout: 0 }, /^timeout/],
  ]
  for (const [change, message] of wrong) {
    assert.throws(() => smsChannel({ ...SETTINGS, ...change }), { code: 'OPTION_INVALID', message })
    assert.throws(
      () => smsChannel({ ...SETTINGS, ...change }),
      (error: Error) => !error.message.includes('tok-9'),
    )
  }
})
