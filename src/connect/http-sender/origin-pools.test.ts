import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Addresses } from './addresses.ts'
import { Exchange } from './exchange.ts'
import { HostResolver } from './host-resolver.ts'
import { OriginPools } from './origin-pools.ts'
import type { PostOutcome } from './post.ts'
import { answer, closing, RawReceiver } from './test/raw-receiver.ts'

test('a pool that is not used is closed with its connections, one with a request under way is not', async () => {
  const closed: Promise<void>[] = []
  await using idle = await RawReceiver.start(socket => {
    closed.push(closing(socket))
    socket.write(answer(200))
  })
  await using busy = await RawReceiver.start(() => {})
  const pools = new OriginPools({
    addresses: new Addresses({ http: true, ports: 'any', allow: ['127.0.0.1'] }),
    resolver: new HostResolver('servers'),
    connections: 1,
    connectMs: 10_000,
    // Longer than the test: it is the pool that closes the connection.
    keepAliveMs: 3_600_000,
    idleMs: 20,
    most: 10,
  })
  const post = (port: number): Promise<PostOutcome> => {
    const pool = pools.take(`http://127.0.0.1:${port}`, null)
    const { promise, resolve } = Promise.withResolvers<PostOutcome>()
    pool.underWay++
    const exchange = new Exchange(resolve, pool, { kept: 10, drained: 10 }, 60_000, undefined, performance.now())
    pool.pool.dispatch({ path: '/', method: 'POST', headers: [], body: 'b' }, exchange)
    return promise
  }
  const waiting = post(busy.port)
  await busy.received(1)
  assert.equal((await post(idle.port)).status, 200)
  assert.equal(pools.size, 2)
  await closed[0]
  assert.equal(pools.size, 1)
  for (const socket of busy.sockets) socket.write(answer(201))
  assert.equal((await waiting).status, 201)
  await pools.close()
  assert.equal(pools.size, 0)
})
