import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { SMTPServerOptions } from 'smtp-server'
import { makeCertificates } from '../../../test/servers/certificates.ts'
import type { DeliveryFate } from '../../delivery/delivery-error.ts'
import { uuidOf } from './channel.ts'
import { type EmailSettings, emailChannel } from './email.ts'
import { alert, attempt, fails, refusedPort } from './test/apparatus.ts'
import { brokenSmtpServer, type Step, smtpServer } from './test/smtp-server.ts'

const SETTINGS: EmailSettings = {
  host: '127.0.0.1',
  security: 'none',
  from: 'Alerts <alerts@example.com>',
  to: 'a@example.com',
}

async function channel(port: number, changes: Partial<EmailSettings> = {}) {
  const made = await emailChannel({ ...SETTINGS, port, ...changes })
  return { ...made, [Symbol.dispose]: () => made.close() }
}

const cut = (socket: Socket) => void socket.destroy()
const reset = (socket: Socket) => void socket.resetAndDestroy()
const headersOf = (content: string) => content.slice(0, content.indexOf('\r\n\r\n')).replaceAll(/\r\n[ \t]/g, ' ')

test('a letter has the headers of the alert, and a Message-ID that stays the same', async () => {
  await using server = await smtpServer()
  using email = await channel(server.port, { to: ['a@example.com', 'B <b@example.org>'] })
  await email.send(alert(), attempt('x'))
  await email.send(alert(), attempt('x'))
  const [first, second] = server.letters
  assert.equal(first!.from, 'alerts@example.com')
  assert.deepEqual(first!.to, ['a@example.com', 'b@example.org'])
  for (const { content } of [first!, second!]) {
    const headers = headersOf(content)
    assert.match(headers, /^From: Alerts <alerts@example\.com>$/m)
    assert.match(headers, /^To: a@example\.com, B <b@example\.org>$/m)
    assert.match(headers, /^Subject: \[CRITICAL\] Account 7 overbought$/m)
    assert.match(headers, /^Auto-Submitted: auto-generated$/m)
    assert.match(headers, /^Date: Sun, 01 Mar 2026 12:00:00 \+0000$/m)
    assert.ok(headers.includes(`Message-ID: <${uuidOf('x')}@example.com>`))
    assert.match(content, /Bought 120, allowed 100\./)
    assert.match(content, /"account": 7/)
  }
  // The second went on the connection of the first.
  assert.equal(second!.connection, first!.connection)
})

test('nothing in an alert becomes a header, a recipient or the end of the letter', async () => {
  await using server = await smtpServer()
  using email = await channel(server.port)
  await email.send(
    alert({
      title: 'x\r\nBcc: evil@example.com',
      text: 'a\r\n.\r\nMAIL FROM:<evil@example.com>\r\nb',
      source: 'y\nCc: z',
    }),
    attempt('i>\r\nX-Evil: 1'),
  )
  assert.equal(server.letters.length, 1)
  const { to, content } = server.letters[0]!
  assert.deepEqual(to, ['a@example.com'])
  assert.doesNotMatch(headersOf(content), /^(Bcc|Cc|X-Evil):/m)
  assert.match(headersOf(content), /^Subject: \[CRITICAL\] x Bcc: evil@example\.com$/m)
})

test('recipients that the alert names are addresses, or it is rejected', async () => {
  await using server = await smtpServer()
  using email = await channel(server.port, { to: ({ data }) => String(data.to) })
  await email.send(alert({ data: { to: 'c@example.com' } }), attempt())
  assert.deepEqual(server.letters[0]!.to, ['c@example.com'])
  for (const to of ['', 'c', 'c@x>\r\nRCPT TO:<d@x', 'c@x,d@x', 'c@x d@x', '<c@x> d@x', 'c@x\0', '"a b"@x']) {
    await fails(email.send(alert({ data: { to } }), attempt()), 'reject')
  }
  assert.equal(server.letters.length, 1)
})

test('STARTTLS and TLS with a password; a wrong password is told without it', async () => {
  const { authority, server: own } = makeCertificates()
  const onAuth: SMTPServerOptions['onAuth'] = ({ username, password }, _session, done) =>
    password === 'p4ss word' ? done(null, { user: username }) : done(new Error(`no ${password} for ${username}`))
  for (const security of ['starttls', 'tls'] as const) {
    const secure = security === 'tls'
    await using server = await smtpServer({ key: own.key, cert: own.certificate, secure, onAuth, authOptional: false })
    const tls = { ca: authority }
    using email = await channel(server.port, { security, tls, auth: { user: 'me', password: 'p4ss word' } })
    await email.send(alert(), attempt())
    assert.deepEqual(
      server.letters.map(({ isSecure, user }) => [isSecure, user]),
      [[true, 'me']],
    )
    using wrong = await channel(server.port, { security, tls, auth: { user: 'me', password: 'wr0ng' } })
    const { message } = await fails(wrong.send(alert(), attempt()), 'retry')
    assert.doesNotMatch(message, /wr0ng/)
    assert.match(message, /no \*\*\* for me/)
    using foreign = await channel(server.port, { security })
    await fails(foreign.send(alert(), attempt()), 'retry')
  }
})

test('without STARTTLS at the server nothing is sent, not even the password', async () => {
  await using server = await smtpServer()
  using email = await channel(server.port, { security: 'starttls', auth: { user: 'me', password: 'p4ss' } })
  await fails(email.send(alert(), attempt()), 'retry')
  assert.equal(server.letters.length, 0)
})

test('one refused recipient of several: nobody gets it', async () => {
  await using server = await smtpServer({
    onRcptTo({ address }, _session, done) {
      const answer = { responseCode: address.startsWith('later') ? 450 : 550 }
      done(address.startsWith('a') ? null : Object.assign(new Error('not here'), answer))
    },
  })
  using email = await channel(server.port, { to: ['a@example.com', 'gone@example.com'] })
  assert.match((await fails(email.send(alert(), attempt()), 'reject')).message, /550 not here/)
  using later = await channel(server.port, { to: ['a@example.com', 'later@example.com'] })
  await fails(later.send(alert(), attempt()), 'retry')
  using alone = await channel(server.port, { to: 'gone@example.com' })
  await fails(alone.send(alert(), attempt()), 'reject')
  assert.equal(server.letters.length, 0)
})

const ANSWERS: [Step, string, DeliveryFate][] = [
  ['greeting', '554 not you', 'retry'],
  ['greeting', '421 too busy', 'throttle'],
  ['MAIL', '451 local error', 'retry'],
  ['MAIL', '530 log in first', 'retry'],
  ['MAIL', '550 not that sender', 'reject'],
  ['RCPT', '550 nobody here', 'reject'],
  ['RCPT', '450 busy mailbox', 'retry'],
  ['RCPT', '421 closing', 'throttle'],
  ['DATA', '451 no room', 'retry'],
  ['DATA', '554 no', 'reject'],
  ['dot', '451 try again', 'retry'],
  ['dot', '421 closing', 'throttle'],
  ['dot', '554 spam', 'reject'],
]
for (const [step, answer, fate] of ANSWERS) {
  test(`${answer} at ${step}: ${fate}`, async () => {
    await using server = await brokenSmtpServer({ [step]: answer })
    using email = await channel(server.port)
    assert.match((await fails(email.send(alert(), attempt()), fate)).message, new RegExp(answer))
  })
}

// Whether the server read the final dot cannot be seen from here: it is small, and left with the content.
const BREAKS: [Step, DeliveryFate][] = [
  ['greeting', 'retry'],
  ['EHLO', 'retry'],
  ['MAIL', 'retry'],
  ['RCPT', 'retry'],
  ['DATA', 'retry'],
  ['content', 'unknown'],
  ['dot', 'unknown'],
]
for (const [step, fate] of BREAKS) {
  test(`the connection breaks at ${step}: ${fate}`, async () => {
    for (const deed of [cut, reset]) {
      await using server = await brokenSmtpServer({ [step]: deed })
      using email = await channel(server.port)
      await fails(email.send(alert(), attempt()), fate)
      assert.equal(server.seen.at(-1), step)
    }
  })

  test(`it hangs at ${step}, until its time is over or it is given up: ${fate}`, async t => {
    await using server = await brokenSmtpServer({ [step]: () => {} })
    using email = await channel(server.port, { timeout: 5000 })
    const controller = new AbortController()
    let came = server.at(step)
    const given = email.send(alert(), attempt('a', controller.signal))
    await came
    controller.abort()
    await fails(given, fate)
    server.seen.length = 0
    t.mock.timers.enable({ apis: ['setTimeout'] })
    came = server.at(step)
    const late = email.send(alert(), attempt('b'))
    await came
    t.mock.timers.tick(5000)
    assert.match((await fails(late, fate)).message, /5000 ms|timeout|Greeting/i)
  })
}

test('nobody listens: nothing was sent', async () => {
  using email = await channel(await refusedPort())
  await fails(email.send(alert(), attempt()), 'retry')
})

test('a connection that the server ended meanwhile is replaced, and the alert arrives once', async () => {
  await using server = await smtpServer()
  using email = await channel(server.port)
  await email.send(alert(), attempt('a'))
  for (const socket of server.sockets) socket.resetAndDestroy()
  await email.send(alert(), attempt('b'))
  assert.equal(server.letters.length, 2)
  assert.notEqual(server.letters[0]!.connection, server.letters[1]!.connection)
})

test('a connection that serves many alerts gathers nothing', async () => {
  await using server = await smtpServer()
  using email = await channel(server.port)
  const warnings: Error[] = []
  const warn = (warning: Error) => void warnings.push(warning)
  process.on('warning', warn)
  for (let n = 0; n < 15; n++) await email.send(alert(), attempt(`a${n}`))
  process.removeListener('warning', warn)
  assert.equal(new Set(server.letters.map(({ connection }) => connection)).size, 1)
  assert.deepEqual([server.letters.length, warnings], [15, []])
})

test('alerts at the same time have connections of their own, of which some are kept', async () => {
  await using server = await smtpServer()
  using email = await channel(server.port)
  const all = () => Promise.all(Array.from({ length: 8 }, (_, n) => email.send(alert(), attempt(`a${n}`))))
  await all()
  await all()
  assert.equal(server.letters.length, 16)
  assert.ok(new Set(server.letters.map(({ connection }) => connection)).size < 16)
})

test('a failure ends its connection, and the next alert has a new one', async () => {
  let isFirst = true
  await using server = await smtpServer({
    onMailFrom(_address, _session, done) {
      done(isFirst ? Object.assign(new Error('later'), { responseCode: 451 }) : null)
      isFirst = false
    },
  })
  using email = await channel(server.port)
  await fails(email.send(alert(), attempt('a')), 'retry')
  await email.send(alert(), attempt('a'))
  assert.equal(server.letters.length, 1)
})

test('what is under way when the channel is closed fails', async () => {
  await using server = await brokenSmtpServer({ dot: () => {} })
  const email = await channel(server.port)
  const came = server.at('dot')
  const sent = email.send(alert(), attempt())
  await came
  email.close()
  await fails(sent, 'unknown')
})

test('without nodemailer the error says what to install', () => {
  const hook = `data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) =>
      next(name.startsWith('nodemailer') ? 'not-installed-' + name : name, context) })`)}`
  const module = new URL('./email.ts', import.meta.url).href
  const code = `
    const { emailChannel } = await import('${module}')
    const error = await emailChannel({ host: 'h', from: 'a@b', to: 'c@d' }).catch(error => error)
    console.log(error.code, error.message)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', hook, '--input-type=module', '-e', code])
  assert.equal(
    stdout.toString(),
    'PACKAGE_MISSING Email channels need nodemailer 10: npm install nodemailer@10\n',
    String(stderr),
  )
})

test('settings that cannot be right are refused by name', async () => {
  const wrong: [Partial<EmailSettings>, RegExp][] = [
    [{ host: '' }, /^host/],
    [{ host: 'a\r\nb' }, /^host/],
    [{ port: 70_000 }, /^port/],
    [{ security: 'maybe' as never }, /^security/],
    [{ host: 'mail.example.com', auth: { user: 'u', password: 'p4ss' } }, /^security/],
    [{ auth: { user: 'u', password: '' } }, /^auth\.password/],
    [{ from: 'nobody' }, /^from/],
    [{ from: 'a@b\r\nBcc: c@d' }, /^from/],
    [{ to: [] }, /^to/],
    [{ to: ['a@b', 'c'] }, /^to/],
    [{ to: 'a@b, c@d' }, /^to/],
  ]
  for (const [change, message] of wrong) {
    await assert.rejects(emailChannel({ ...SETTINGS, ...change }), { code: 'OPTION_INVALID', message })
  }
})
