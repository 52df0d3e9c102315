/** The auditor's alerts by real channels to servers on this machine: once each, whatever happens. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { listening, refusedPort } from '../../src/connect/channels/test/apparatus.ts'
import { brokenSmtpServer, smtpServer } from '../../src/connect/channels/test/smtp-server.ts'
import { AuditorPlace, until } from './auditor-process.ts'
import { aldebaran } from './command-here.ts'

/** A mail server that tells what is in each letter before it answers; false: it breaks the connection instead. */
async function mailServer(onLetter: (order: string) => boolean | Promise<boolean>) {
  const server = await smtpServer({
    onData(stream, _session, done) {
      const read = async (content: string) => {
        if (await onLetter(/^Order: (\S+)/m.exec(content)![1]!)) done()
        else for (const socket of server.sockets) socket.destroy()
      }
      // Of a letter that was cut off nothing was taken.
      void text(stream).then(read, () => {})
    },
  })
  return server
}

/** A receiver of webhooks that takes one for each key. */
async function desk() {
  const byKey = new Map<string, string>()
  const server = createServer((request, response) => {
    const read = (body: string) => {
      const { data } = JSON.parse(body) as { data: { order: string } }
      byKey.set(String(request.headers['idempotency-key']), data.order)
      response.end()
    }
    void text(request).then(read, () => {})
  })
  const place = await listening(server)
  return { ...place, orders: () => [...byKey.values()].sort() }
}

const mail = (port: number, more: object = {}) => ({
  name: 'mail',
  type: 'email',
  host: '127.0.0.1',
  port,
  security: 'none',
  from: 'alerts@example.com',
  to: 'desk@example.com',
  ...more,
})
const hook = (port: number) => ({
  name: 'desk',
  type: 'webhook',
  endpoint: `http://127.0.0.1:${port}`,
  idempotent: true,
})

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

test('a letter of which nobody knows is in doubt over a kill -9 and never sent again by itself; who is on duty decides', async () => {
  const taken: string[] = []
  let answers = false
  await using server = await mailServer(order => {
    taken.push(order)
    return answers
  })
  await using place = new AuditorPlace([mail(server.port)])
  const first = await place.start()
  await first.overbuy(['o-1'])
  await until(async () => (await first.inDoubt()).length === 1)
  assert.equal((await first.channel('mail')).inDoubt, 1)
  await first.kill()

  const auditor = await place.start()
  const shown = await auditor.ask(['alerts', 'in-doubt'], { terminal: true })
  assert.match(shown.out, /^EVENT +CHANNEL +ORDER +ALERT +TRIES +SINCE/)
  assert.match(shown.out, / mail +o-1 +OVERBOUGHT +1 /)
  answers = true
  // What comes after it goes out, and it does not.
  await auditor.overbuy(['o-2'])
  await until(() => taken.includes('o-2'))
  assert.deepEqual(taken, ['o-1', 'o-2'])

  const asked = await auditor.ask(['alerts', 'in-doubt', 'send', 'all'])
  assert.match(asked.err, /1 alert in doubt is sent once more with --yes\. Nothing was changed\./)
  const [doubt] = await auditor.inDoubt()
  assert.deepEqual((await auditor.ask(['alerts', 'in-doubt', 'send', doubt!.event])).lines, [{ accepted: 1 }])
  await until(async () => (await auditor.channel('mail')).delivered === 2)
  assert.deepEqual(await auditor.inDoubt(), [])
  assert.deepEqual(taken, ['o-1', 'o-2', 'o-1'])

  answers = false
  await auditor.overbuy(['o-3', 'o-4'])
  await until(async () => (await auditor.inDoubt()).length === 2)
  const elsewhere = await auditor.ask(['alerts', 'in-doubt', 'drop', 'all', '--channel', 'other', '--yes'])
  assert.match(elsewhere.err, /There are no alerts in doubt\./)
  assert.deepEqual((await auditor.ask(['alerts', 'in-doubt', 'drop', 'all', '--yes'])).lines, [{ accepted: 2 }])
  await until(async () => (await auditor.inDoubt()).length === 0)
  const letters = await auditor.ask(['dlq', '--code', 'DELIVERY_FAILED', '--topic', 'alerts'])
  assert.equal(letters.lines.length, 2)
  assert.equal(taken.length, 5)
  for (const args of [['send', 'all', 'x'], ['send', 'x', '--yes'], ['drop', 'x', '--channel', 'mail'], ['send']]) {
    assert.equal((await auditor.ask(['alerts', 'in-doubt', ...args])).code, 2, args.join(' '))
  }
  assert.equal(await auditor.stop(), 0)
})

test('a channel that refuses and one that hangs delay no other; when they are back they get every alert, once; one that is taken out gets none', async () => {
  const port = await refusedPort()
  const taken: string[] = []
  const orders = numbered('o', 12)
  await using server = await mailServer(order => {
    taken.push(order)
    return true
  })
  await using hung = await brokenSmtpServer({ greeting: '' })
  await using receiver = await desk()
  await using place = new AuditorPlace([
    mail(port),
    mail(hung.port, { name: 'hung', timeout: '5m' }),
    hook(receiver.port),
  ])
  const auditor = await place.start()
  await auditor.overbuy(orders)
  await until(() => receiver.orders().length === orders.length)
  assert.deepEqual(receiver.orders(), [...orders].sort())
  await until(async () => Number((await auditor.channel('mail')).failed) > 0)
  const { error, delivered } = await auditor.channel('mail')
  assert.match(String(error), /ECONNREFUSED/)
  const { out } = await auditor.ask(['alerts'], { terminal: true })
  assert.match(out, /^CHANNEL +DELIVERY +STATE +UNDER WAY/)
  assert.match(out, /^desk +alerts-keyed +active +0 +0 +0 +0 +12 /m)
  assert.deepEqual([delivered, (await auditor.channel('hung')).delivered, taken], [0, 0, []])

  // Somebody listens there now.
  const relay = createTcpServer(socket => {
    const onward = connect(server.port, '127.0.0.1')
    for (const one of [socket, onward]) one.on('error', () => {})
    socket.pipe(onward).pipe(socket)
  })
  relay.listen(port, '127.0.0.1')
  try {
    await auditor.ask(['deliveries', 'resume', 'alerts-once', 'mail'])
    await until(async () => (await auditor.channel('mail')).delivered === orders.length)
    assert.deepEqual([...taken].sort(), [...orders].sort())
    assert.deepEqual(await auditor.inDoubt(), [])
    await auditor.kill()
  } finally {
    relay.close()
  }

  // Without the one that hangs: what was on its way is in doubt, what waited for it cannot go anywhere.
  place.configure([hook(receiver.port), mail(server.port)])
  const next = await place.start()
  const letters = async () => (await next.ask(['dlq', '-n', '100'])).lines
  await until(async () => (await letters()).length + (await next.inDoubt()).length === orders.length)
  assert.ok((await letters()).length > 0)
  for (const { message } of await letters()) assert.match(String(message), /'hung'.*no such channel any more/)
  assert.equal(taken.length, orders.length)
  await next.kill()
})

test('kill -9 of the auditor six times while it sends, and a reset: each alert once to each channel', async () => {
  const orders: string[] = []
  const taken: string[] = []
  /** Letters and calls wait for it: they come after what is asked is durable. */
  let open = Promise.withResolvers<void>()
  let strikes: (() => void) | null = null
  /** So many arrive before the auditor is killed. */
  let left = 0
  const arrived = () => {
    if (--left === 0) strikes?.()
  }
  await using server = await mailServer(async order => {
    taken.push(order)
    await open.promise
    arrived()
    return true
  })
  await using receiver = await desk()
  await using place = new AuditorPlace([mail(server.port), hook(receiver.port)])
  for (let round = 0; round < 6; round++) {
    const auditor = await place.start()
    const own = numbered(`r${round}`, 20)
    await auditor.overbuy(own)
    orders.push(...own)
    const struck = Promise.withResolvers<void>()
    left = 1 + 2 * round
    strikes = () => {
      auditor.strike()
      struck.resolve()
    }
    open.resolve()
    await struck.promise
    await auditor.kill()
    open = Promise.withResolvers()
  }
  strikes = null
  open.resolve()

  const auditor = await place.start()
  const isIdle = async (channel: string) => {
    // One that has had no alert since the start is not shown.
    const { waiting = 0, scheduled = 0, underWay = 0 } = await auditor.channel(channel)
    return waiting === 0 && scheduled === 0 && underWay === 0
  }
  const isDone = async () =>
    receiver.orders().length === orders.length &&
    new Set([...taken, ...(await auditor.inDoubt()).map(({ order }) => order)]).size === orders.length
  await until(async () => (await isDone()) && (await isIdle('mail')) && (await isIdle('desk')))
  orders.sort()
  assert.deepEqual(receiver.orders(), orders)
  assert.equal(new Set(taken).size, taken.length)

  // Who is on duty asks the mail server which of them it took.
  const doubts = await auditor.inDoubt()
  assert.ok(doubts.length >= 6, `${doubts.length} in doubt`)
  assert.equal(new Set(doubts.map(({ order }) => order)).size, doubts.length)
  const got = new Set(taken)
  for (const { event, order } of doubts) {
    await auditor.ask(['alerts', 'in-doubt', got.has(order) ? 'drop' : 'send', event])
  }
  await until(
    async () => (await auditor.inDoubt()).length === 0 && taken.length >= orders.length && (await isIdle('mail')),
  )
  assert.deepEqual([...taken].sort(), orders)
  await auditor.kill()

  // All alerts are read again, and only the one that is new is sent.
  for (const delivery of ['alerts-once', 'alerts-keyed']) {
    const reset = await aldebaran(['reset', 'audit', '--pipeline', delivery, '--data', place.data, '--yes'])
    assert.equal(reset.code, 0, reset.err)
  }
  const again = await place.start()
  await again.overbuy(['new'])
  await until(() => taken.includes('new') && receiver.orders().includes('new'))
  const duplicates = async () => (await again.ask(['deliveries'])).lines.map(line => line.duplicates)
  await until(async () => (await duplicates()).every(count => count === orders.length))
  assert.deepEqual([...taken].sort(), [...orders, 'new'].sort())
  assert.equal((await again.inDoubt()).length, 0)
  await again.kill()
})
