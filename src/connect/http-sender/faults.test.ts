/** Receivers that fail in every way, and what is known of the request then. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { fate, post, withSender } from './test/local-sender.ts'
import { answer, closing, RawReceiver } from './test/raw-receiver.ts'

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

describe('what fails before the request was sent was not sent', () => {
  test('a refused connection, for all that wait for one', async () => {
    const port = await closedPort()
    const outcomes = await withSender(
      sender => Promise.all(Array.from({ length: 50 }, () => post(sender, `http://127.0.0.1:${port}/`))),
      { connections: 4 },
    )
    for (const outcome of outcomes) {
      assert.equal(outcome.failure?.stage, 'unsent')
      assert.equal(outcome.failure?.reason, 'connect')
      assert.match(outcome.failure?.message ?? '', /ECONNREFUSED/)
      assert.equal(outcome.sentMs, -1)
      assert.equal(fate(outcome), 'retry')
    }
  })

  test('a receiver that never answers the handshake', async () => {
    await using receiver = await RawReceiver.start(() => {}, { onConnection: () => {} })
    const url = receiver.url.replace('http:', 'https:')
    const outcome = await withSender(sender => post(sender, url), { connectTimeout: 100 })
    assert.deepEqual([outcome.failure?.stage, outcome.failure?.reason, fate(outcome)], ['unsent', 'timeout', 'retry'])
  })

  test('a sender that is closed, and a signal that was aborted before', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)))
    await withSender(async sender => {
      const request = { url: receiver.url, headers: [], body: '', signal: AbortSignal.abort() }
      const aborted = await sender.post(request)
      assert.deepEqual([aborted.failure?.reason, fate(aborted)], ['aborted', 'retry'])
      await sender.close()
      const closed = await post(sender, receiver.url)
      assert.deepEqual([closed.failure?.reason, fate(closed)], ['closed', 'retry'])
      assert.equal(receiver.connections, 0)
    })
  })

  test('a request whose time is over while it waits for a connection is not sent later', async () => {
    const release: (() => void)[] = []
    await using receiver = await RawReceiver.start(socket => release.push(() => socket.write(answer(200))))
    await withSender(
      async sender => {
        const first = post(sender, receiver.url, 'first')
        await receiver.received(1)
        const second = await post(sender, receiver.url, 'second', 20)
        assert.deepEqual([second.failure?.stage, second.failure?.reason, fate(second)], ['unsent', 'timeout', 'retry'])
        const controller = new AbortController()
        const third = sender.post({ url: receiver.url, headers: [], body: 'third', signal: controller.signal })
        controller.abort()
        assert.deepEqual([(await third).failure?.stage, (await third).failure?.reason], ['unsent', 'aborted'])
        const fourth = post(sender, receiver.url, 'fourth')
        release.shift()?.()
        assert.equal((await first).status, 200)
        await receiver.received(2)
        release.shift()?.()
        assert.equal((await fourth).status, 200)
        assert.deepEqual(
          receiver.requests.map(({ body }) => body.toString()),
          ['first', 'fourth'],
        )
        // The connection was worth keeping.
        assert.equal(receiver.connections, 1)
      },
      { connections: 1 },
    )
  })
})

describe('what fails after the request was sent is not known', () => {
  const faults: Record<string, Parameters<typeof RawReceiver.start>[0]> = {
    'a connection that is reset': socket => socket.resetAndDestroy(),
    'a connection that is closed': socket => socket.end(),
    'half a status line': socket => socket.end('HTTP/1.1 2'),
    'another protocol': socket => socket.end('SSH-2.0-OpenSSH_9.9\r\n'),
    'a body shorter than its Content-Length': socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'),
    'a body that is reset': socket =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc', () => socket.resetAndDestroy()),
    'a chunk that is none': socket => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc'),
    'two lengths': socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'),
    'an upgrade nobody asked for': socket =>
      socket.end('HTTP/1.1 101 No\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n'),
    'headers without an end': socket => {
      const more = () => socket.writable && socket.write(`x-more: ${'x'.repeat(4000)}\r\n`, more)
      socket.write('HTTP/1.1 200 OK\r\n', more)
    },
  }
  for (const [name, fault] of Object.entries(faults)) {
    test(name, async () => {
      await using receiver = await RawReceiver.start(fault)
      const outcome = await withSender(sender => post(sender, receiver.url))
      assert.equal(outcome.failure?.stage, 'sent', JSON.stringify(outcome.failure))
      assert.ok(['reset', 'protocol'].includes(outcome.failure?.reason ?? ''))
      assert.equal(fate(outcome), 'unknown')
      assert.equal(receiver.requests.length, 1)
    })
  }

  test('an abort while it is under way', async () => {
    await using receiver = await RawReceiver.start(() => {})
    await withSender(async sender => {
      const controller = new AbortController()
      const outcome = sender.post({ url: receiver.url, headers: [], body: 'b', signal: controller.signal })
      await receiver.received(1)
      controller.abort()
      assert.deepEqual([(await outcome).failure?.reason, fate(await outcome)], ['aborted', 'unknown'])
    })
  })

  test('a sender that is closed while it is under way', async () => {
    await using receiver = await RawReceiver.start(() => {})
    await withSender(async sender => {
      const outcome = post(sender, receiver.url)
      await receiver.received(1)
      await sender.close()
      assert.equal(fate(await outcome), 'unknown')
    })
  })
})

describe('what takes too long', { concurrency: true }, () => {
  const slow: Record<string, Parameters<typeof RawReceiver.start>[0]> = {
    'a receiver that says nothing': () => {},
    'a body that never ends': socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'),
    'an endless "go on"': socket => {
      const more = () => socket.writable && socket.write('HTTP/1.1 103 Early\r\n\r\n', () => setTimeout(more, 5))
      more()
    },
  }
  for (const [name, fault] of Object.entries(slow)) {
    test(`${name} is ended after the timeout, and its connection`, async () => {
      let closed: Promise<unknown> | null = null
      await using receiver = await RawReceiver.start((socket, request, number) => {
        closed ??= closing(socket)
        fault(socket, request, number)
      })
      const outcome = await withSender(async sender => {
        const ended = await post(sender, receiver.url, 'b', 1000)
        await closed
        return ended
      })
      assert.deepEqual([outcome.failure?.stage, outcome.failure?.reason, fate(outcome)], ['sent', 'timeout', 'unknown'])
    })
  }
})
