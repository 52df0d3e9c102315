import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { HttpSender, type HttpSenderSettings } from './http-sender.ts'
import { deliveryErrorOf } from './outcome.ts'
import { fate, post, withSender } from './test/local-sender.ts'
import { answer, closing, RawReceiver } from './test/raw-receiver.ts'

describe('a request', () => {
  test('is a POST with its headers and its body, and tells what came back', async () => {
    const head = ['retry-after: 7', 'content-type: text/plain', 'x-other: 1']
    await using receiver = await RawReceiver.start(socket => socket.write(answer(202, 'thänks', ...head)))
    await withSender(async sender => {
      const url = `${receiver.url}?q=%20#part`
      const outcome = await sender.post({ url, headers: ['Webhook-Id', 'msg_1', 'x-a', 'b'], body: 'bödy' })
      const { status, retryAfter, contentType, body, isCut, failure } = outcome
      assert.deepEqual(
        { status, retryAfter, contentType, body, isCut, failure },
        { status: 202, retryAfter: '7', contentType: 'text/plain', body: 'thänks', isCut: false, failure: null },
      )
      assert.ok(outcome.sentMs >= 0 && outcome.sentMs <= outcome.firstByteMs && outcome.firstByteMs <= outcome.totalMs)
      const [request] = receiver.requests
      assert.equal(request?.line, 'POST /hook?q=%20 HTTP/1.1')
      assert.equal(request?.body.toString(), 'bödy')
      const at = request?.headers.indexOf('Webhook-Id') ?? -1
      assert.deepEqual(request?.headers.slice(at, at + 4), ['Webhook-Id', 'msg_1', 'x-a', 'b'])
      assert.ok(request?.headers.includes(`127.0.0.1:${receiver.port}`))
    })
  })

  test('uses a connection again, one request at a time on each, and no more connections than are allowed', async () => {
    let underWay = 0
    let most = 0
    await using receiver = await RawReceiver.start(socket => {
      most = Math.max(most, ++underWay)
      setImmediate(() => {
        underWay--
        socket.write(answer(200))
      })
    })
    const outcomes = await withSender(
      async sender => Promise.all(Array.from({ length: 100 }, () => post(sender, receiver.url))),
      { connections: 4 },
    )
    assert.ok(outcomes.every(({ status }) => status === 200))
    assert.equal(receiver.connections, 4)
    assert.ok(most <= 4)
  })

  test('with an empty body says so', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(204)))
    const outcome = await withSender(sender => post(sender, receiver.url, ''))
    assert.equal(outcome.status, 204)
    const at = receiver.requests[0]!.headers.indexOf('content-length')
    assert.equal(receiver.requests[0]!.headers[at + 1], '0')
  })
})

describe('headers', () => {
  test('that would begin another line, or belong to the connection, are refused and never sent', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)))
    await withSender(async sender => {
      const bad = [
        ['x-a', 'b\r\nx-evil: 1'],
        ['x-a', 'b\nx-evil: 1'],
        ['x-a', 'b\rx'],
        ['x-a', 'b\0'],
        ['x-a', 'ж'],
        ['x-a', '嘊嘍x-evil: 1'],
        ['x-a', 'v'.repeat(9000)],
        ['x-a\r\nx-evil', '1'],
        ['x a', '1'],
        ['', '1'],
        ['x-a'],
        ...[
          'Host',
          'Content-Length',
          'transfer-encoding',
          'Connection',
          'keep-alive',
          'TE',
          'Trailer',
          'upgrade',
          'Expect',
        ].map(name => [name, 'x']),
      ]
      for (const headers of bad) {
        const outcome = await sender.post({ url: receiver.url, headers, body: '' })
        assert.equal(outcome.failure?.stage, 'refused', JSON.stringify(headers))
        assert.equal(outcome.failure?.reason, 'header')
        assert.equal(fate(outcome), 'reject')
        assert.doesNotMatch(outcome.failure?.message ?? '', /[\r\n\0]|evil: 1/)
      }
      assert.equal(receiver.connections, 0)
    })
  })

  test('arrive as they are or not at all', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)))
    await withSender(async sender => {
      const text = fc.string({
        unit: fc.integer({ min: 0, max: 300 }).map(code => String.fromCharCode(code)),
        maxLength: 20,
      })
      await fc.assert(
        fc.asyncProperty(text, async value => {
          const before = receiver.requests.length
          const outcome = await sender.post({
            url: receiver.url,
            headers: ['x-first', value, 'x-last', 'end'],
            body: 'b',
          })
          const arrived = receiver.requests.slice(before)
          if (outcome.failure !== null) return arrived.length === 0
          const { headers } = arrived[0]!
          const at = headers.indexOf('x-first')
          assert.deepEqual(headers.slice(at, at + 4), ['x-first', value, 'x-last', 'end'])
          return arrived.length === 1
        }),
        { numRuns: 300 },
      )
    })
  })
})

describe('a response', () => {
  test('is kept up to its limit, and never with half a character', async () => {
    const body = 'aä'.repeat(1000)
    await using receiver = await RawReceiver.start(socket => socket.write(answer(500, body)))
    for (const kept of [0, 1, 2, 3, 4, 999, 1000, 5000]) {
      const outcome = await withSender(sender => post(sender, receiver.url), { keptBody: kept })
      assert.equal(outcome.failure, null)
      assert.equal(outcome.isCut, kept < 3000)
      assert.equal(
        outcome.body,
        body.slice(0, Math.min(2000, Math.floor(kept / 3) * 2 + (kept % 3 > 0 ? 1 : 0))),
        `${kept}`,
      )
    }
  })

  test('that is long is read to its end, one without an end is cut: what its status said stands', async () => {
    let closed: Promise<unknown> | undefined
    await using receiver = await RawReceiver.start((socket, request) => {
      if (request.body.toString() === 'long') return socket.write(answer(200, 'x'.repeat(200_000)))
      closed = closing(socket)
      const more = () => socket.writable && socket.write('x'.repeat(16_384), more)
      return socket.write('HTTP/1.1 200 OK\r\n\r\n', more)
    })
    await withSender(
      async sender => {
        const long = await post(sender, receiver.url, 'long')
        assert.deepEqual([long.status, long.body.length, long.isCut, fate(long)], [200, 1000, true, 'delivered'])
        const endless = await post(sender, receiver.url, 'endless')
        assert.deepEqual([endless.status, endless.body.length, endless.isCut], [200, 1000, true])
        assert.equal(fate(endless), 'delivered')
        await closed
        assert.equal(receiver.requests.length, 2)
      },
      { keptBody: 1000, drainedBody: '500kB' },
    )
  })

  test('is that of its own request, whatever the receiver sends behind it', async () => {
    await using receiver = await RawReceiver.start((socket, _request, number) => {
      if (number === 1) socket.write(answer(200, 'first') + answer(200, 'forged'))
      else socket.write(answer(500, 'second'))
    })
    await withSender(
      async sender => {
        assert.equal((await post(sender, receiver.url)).body, 'first')
        const second = await post(sender, receiver.url)
        assert.deepEqual([second.status, second.body], [500, 'second'])
      },
      { connections: 1 },
    )
  })

  test('that redirects is a failure: nobody is sent elsewhere', async () => {
    await using victim = await RawReceiver.start(socket => socket.write(answer(200)), { host: '127.0.0.2' })
    for (const status of [301, 302, 303, 307, 308]) {
      await using receiver = await RawReceiver.start(socket =>
        socket.write(answer(status, '', `location: http://127.0.0.2:${victim.port}/`)),
      )
      const outcome = await withSender(sender => post(sender, receiver.url))
      assert.deepEqual([outcome.status, fate(outcome)], [status, 'retry'])
    }
    assert.equal(victim.connections, 0)
  })

  test('that throttles says for how long', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(429, 'slow down', 'Retry-After: 90')))
    const outcome = await withSender(sender => post(sender, receiver.url))
    const error = deliveryErrorOf(outcome, Date.now())
    assert.deepEqual([error?.fate, error?.retryAfter], ['throttle', 90_000])
  })
})

describe('connections', () => {
  test('that are not used are closed, by their time', async () => {
    const closed: Promise<unknown>[] = []
    await using receiver = await RawReceiver.start(socket => {
      closed.push(closing(socket))
      socket.write(answer(200))
    })
    await withSender(
      async sender => {
        assert.equal((await post(sender, receiver.url)).status, 200)
        await closed[0]
        assert.equal((await post(sender, receiver.url)).status, 200)
        assert.equal(receiver.connections, 2)
      },
      { keepAlive: 20 },
    )
  })

  test('are kept for so many origins, those that are used first of all', async () => {
    await using one = await RawReceiver.start(() => {})
    await using two = await RawReceiver.start(socket => socket.write(answer(200)))
    await using three = await RawReceiver.start(socket => socket.write(answer(200)))
    await withSender(
      async sender => {
        const waiting = post(sender, one.url)
        await one.received(1)
        for (const receiver of [two, three, two, three]) {
          assert.equal((await post(sender, receiver.url)).status, 200)
          assert.equal(sender.origins, 2)
        }
        assert.deepEqual([two.connections, three.connections], [2, 2])
        for (const socket of one.sockets) socket.write(answer(201))
        assert.equal((await waiting).status, 201)
      },
      { origins: 2 },
    )
  })
})

test('settings that are none are told', () => {
  const wrong: HttpSenderSettings[] = [
    { timeout: 'soon' },
    { timeout: 0 },
    { timeout: '60d' },
    { connections: 0 },
    { origins: 1.5 },
    { keptBody: 'much' },
    { names: ['not an address'] },
    { tls: { ca: 'no certificate' } },
    { tls: { key: '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----' } },
  ]
  for (const settings of wrong) assert.throws(() => new HttpSender(settings), { code: 'OPTION_INVALID' })
})
