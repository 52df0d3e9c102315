import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { fastify } from 'fastify'
import { EventStream } from './event-stream.ts'

/** A server whose one route hands its stream over, and a client that reads nothing unless it is asked to. */
async function withStream(stallMs: number, use: (stream: EventStream, client: Socket) => Promise<void>): Promise<void> {
  const app = fastify({ forceCloseConnections: true })
  const opened = new Promise<EventStream>(resolve => {
    app.get('/', (request, reply) => resolve(new EventStream(request, reply, stallMs)))
  })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const client = connect(Number(port), '127.0.0.1')
  client.pause()
  client.on('error', () => {})
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  try {
    await use(await opened, client)
  } finally {
    client.destroy()
    await app.close()
  }
}

/** 64 KB each: far more than a socket holds. */
const MOST_SENT = 2000

function fill(stream: EventStream): number {
  let sent = 0
  for (; stream.ready && sent < MOST_SENT; sent++) stream.send('piece', 'x'.repeat(64 * 1024))
  return sent
}

test('a client that takes nothing is dropped, and little is kept for it', async () => {
  await withStream(20, async (stream, client) => {
    const gone = once(client, 'close')
    const closed = new Promise<void>(resolve => stream.onClose(resolve))
    let sent = fill(stream)
    // What the kernel takes on its way is taken; then nothing is.
    stream.onReady = () => {
      sent += fill(stream)
    }
    await closed
    assert.ok(sent < MOST_SENT, 'the stream says that the client is slow')
    assert.equal(stream.closed, true)
    assert.equal(stream.ready, false)
    client.resume()
    await gone
  })
})

test('a client that takes again is sent on', async () => {
  await withStream(60_000, async (stream, client) => {
    const ready = new Promise<void>(resolve => {
      stream.onReady = resolve
    })
    fill(stream)
    assert.equal(stream.ready, false)
    client.resume()
    await ready
    assert.equal(stream.ready, true)
    stream.close('over')
    stream.send('late', 1)
    assert.equal(stream.closed, true)
  })
})

test('a client that leaves closes the stream', async () => {
  await withStream(60_000, async (stream, client) => {
    const closed = new Promise<void>(resolve => stream.onClose(resolve))
    client.destroy()
    await closed
    assert.equal(stream.closed, true)
    let told = false
    stream.onClose(() => {
      told = true
    })
    assert.equal(told, true)
  })
})
