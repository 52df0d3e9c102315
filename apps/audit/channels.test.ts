import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import { readChannels, shareOf } from './channels.ts'

const HOOK = { name: 'desk', type: 'webhook', endpoint: 'https://desk.example.com/alerts', idempotent: true }
const PHONE = {
  name: 'on-call',
  type: 'sms',
  accountSid: 'AC1',
  authToken: 'env:TWILIO',
  from: '+15550001',
  to: '+15550002',
}

let folder = ''
let path = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-channels-'))
  path = join(folder, 'channels.json')
})
after(() => rmSync(folder, { recursive: true, force: true }))

function read(text: string) {
  writeFileSync(path, text)
  return readChannels(path, { TWILIO: 's3cret' })
}

const readAll = (...channels: unknown[]) => read(JSON.stringify({ channels }))

test('a file of channels: options of the type, and those of the auditor with their defaults', async () => {
  const since = '2026-03-01T09:30:00Z'
  const channels = await readAll(HOOK, { ...PHONE, rate: '90/3m', concurrency: 12, timeout: '5s', since })
  assert.deepEqual(
    channels.map(({ channel, ...own }) => ({ ...own, idempotent: channel.idempotent })),
    [
      { name: 'desk', rate: null, concurrency: 4, timeout: 20_000, since: 0, idempotent: true },
      {
        name: 'on-call',
        rate: { count: 90, times: 3, unit: 'm' },
        concurrency: 12,
        timeout: 5000,
        since: Date.parse(since),
        idempotent: false,
      },
    ],
  )
  assert.deepEqual(await readAll(), [])
})

test('the file in the README is one', async () => {
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
  const [, example] = /```json\n(\{\n {2}"channels"[\s\S]*?)```/.exec(readme)!
  writeFileSync(path, example!)
  const pem = { privateKeyEncoding: { type: 'pkcs8', format: 'pem' } } as const
  const spki = { publicKeyEncoding: { type: 'spki', format: 'pem' } } as const
  const channels = await readChannels(path, {
    SMTP_PASSWORD: 'a',
    TWILIO_TOKEN: 'b',
    APNS_KEY: generateKeyPairSync('ec', { namedCurve: 'P-256', ...pem, ...spki }).privateKey,
    FCM_KEY: generateKeyPairSync('rsa', { modulusLength: 2048, ...pem, ...spki }).privateKey,
    NSCA_PASSWORD: 'c',
    DESK_SECRET: 'd',
  })
  assert.deepEqual(
    channels.map(({ name, channel }) => `${name} ${channel.idempotent}`),
    [
      'ops-mail false',
      'on-call-sms false',
      'desk-iphone false',
      'desk-android false',
      'nagios false',
      'desk-webhook true',
    ],
  )
})

test('a rate is shared out over the partitions', async () => {
  const [a, b] = await readAll({ ...HOOK, rate: '10/s' }, { ...PHONE, rate: ' 0.5 / 2h ' })
  assert.deepEqual([shareOf(a!.rate!, 4), shareOf(b!.rate!, 3)], ['10/4s', '0.5/6h'])
})

test('what is wrong is told with the file, the channel and the option, and never with a secret', async () => {
  const wrong: [unknown[], string][] = [
    [['x'], 'channels[0]: it must be an object'],
    [[HOOK, { type: 'sms' }], 'channels[1]: name: it must be 1 to 64 letters'],
    [[{ ...HOOK, name: 'a b' }], 'channels[0]: name: it must be 1 to 64 letters'],
    [[HOOK, { ...PHONE, name: 'desk' }], "channels[1].name: there are two channels 'desk'"],
    [[{ ...HOOK, type: 'fax' }], "channel 'desk': type: it must be one of email, sms"],
    [[{ ...HOOK, rate: 'often' }], "channel 'desk': rate: it must be a rate"],
    [[{ ...HOOK, rate: '0/s' }], "channel 'desk': rate: it must be a rate"],
    [[{ ...HOOK, rate: 10 }], "channel 'desk': rate: it must be a rate"],
    [[{ ...HOOK, concurrency: 0 }], "channel 'desk': concurrency: it must be a whole number"],
    [[{ ...HOOK, concurrency: '4' }], "channel 'desk': concurrency: it must be a whole number"],
    [[{ ...HOOK, since: 'yesterday' }], "channel 'desk': since: it must be a time"],
    [[{ ...HOOK, timeout: '1h' }], "channel 'desk': timeout: it must be from 1ms to 10m"],
    [[{ ...HOOK, retries: 4 }], "channel 'desk': retries: there is no such option"],
    [[{ ...PHONE, authToken: 's3cret' }], "channel 'on-call': authToken: it must be 'env:NAME'"],
    [[{ ...PHONE, authToken: 'env:NONE' }], "channel 'on-call': authToken: the environment variable NONE is not set"],
    [[{ ...PHONE, to: 7 }], "channel 'on-call': to: it must be a text"],
  ]
  for (const [channels, message] of wrong) {
    await assert.rejects(readAll(...channels), error => {
      assert.ok(error instanceof AldebaranError)
      assert.equal(error.code, 'OPTION_INVALID')
      assert.ok(error.message.startsWith(`${path}: ${message}`), error.message)
      assert.doesNotMatch(error.message, /s3cret/)
      return true
    })
  }
})

test('a file that is none', async () => {
  await assert.rejects(readChannels(join(folder, 'nothing.json'), {}), /AUDIT_CHANNELS: .*nothing\.json: .*ENOENT/)
  await assert.rejects(read('{"channels": ['), /AUDIT_CHANNELS: .*channels\.json: it is not JSON/)
  await assert.rejects(read('[]'), /channels\.json: it must be an object/)
  await assert.rejects(read('{}'), /channels\.json: channels: it must be a list/)
  await assert.rejects(read('{"channels": [], "chanels": []}'), /chanels: there is no such option/)
})
