/** PostgreSQL goes away and comes back while a sink writes: no row is lost, and none is there twice. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { postgresServer } from '../servers/postgres.ts'
import type { PostgresServer } from '../servers/postgres-process.ts'
import { rowsOf, SinkScene, sinkOf, TABLE } from './sink-scene.ts'

const CUT = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`
/** Rows that come between two disturbances. */
const BETWEEN = 500

let server: PostgresServer

before(async () => {
  server = await postgresServer()
})

after(() => server.end())

test('sockets are cut, the server is stopped and killed under load: each record is one row', async () => {
  await using scene = await SinkScene.open(
    sinkOf({
      mode: 'append',
      url: server.url,
      batch: { rows: 50, time: '5ms' },
      setup: async ({ query }) => void (await query(TABLE)),
    }),
  )
  let sent = 0
  let isOver = false
  const load = (async () => {
    while (!isOver) {
      await scene.send(sent, 20)
      sent += 20
      // The pace of the load.
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  })()
  const more = async () => {
    const wanted = scene.state().records + BETWEEN
    await scene.until(() => scene.state().records >= wanted)
  }
  await more()
  for (let round = 0; round < 2; round++) {
    for (let cut = 0; cut < 3; cut++) {
      await rowsOf(server.url, CUT)
      await more()
    }
    await server.stop()
    await scene.until(() => scene.state().status === 'waiting')
    assert.equal(scene.state().problem?.code, 'POSTGRES_UNAVAILABLE')
    const { lag } = scene.state()
    const before = sent
    // The log takes records all the same, and what waits is told.
    await scene.until(() => sent >= before + 1000)
    assert.ok(scene.state().lag! >= lag! + 900)
    assert.ok(scene.state().oldestAgeMs! >= 0)
    await server.start()
    await more()
    await server.kill()
    await server.start()
    await more()
  }
  isOver = true
  await load
  await scene.drained()
  assert.equal(scene.state().problem, null)
  assert.equal(scene.state().rejected, 0)
  const [counts] = await rowsOf<object>(
    server.url,
    `SELECT count(*)::int AS rows, count(DISTINCT number)::int AS numbers, max(number) AS newest FROM measurements`,
  )
  assert.deepEqual({ ...counts }, { rows: sent, numbers: sent, newest: sent - 1 })
})

test('an application that starts without PostgreSQL runs, and writes when it comes', async () => {
  await server.stop()
  await using scene = await SinkScene.open(
    sinkOf({
      name: 'early',
      mode: 'append',
      table: 'early',
      url: server.url,
      setup: async ({ query }) => void (await query(TABLE.replace('measurements', 'early'))),
    }),
  )
  await scene.send(0, 200)
  await scene.until(() => scene.state().problem?.code === 'POSTGRES_UNAVAILABLE')
  assert.equal(scene.state().lag, null)
  const metrics = await (await fetch(`${scene.running.url}/metrics`)).text()
  assert.ok(metrics.includes('aldebaran_source_up{source="early",application="gauges"} 0'))
  await server.start()
  await scene.until(() => scene.state().records === 200)
  const after = await (await fetch(`${scene.running.url}/metrics`)).text()
  assert.ok(after.includes('aldebaran_source_lag_records{source="early",application="gauges"} 0'))
})

test('a sink that has nothing to write notices that its session is lost: two never say that they write', async () => {
  const sink = () =>
    sinkOf({
      name: 'idle',
      mode: 'append',
      table: 'idle',
      url: server.url,
      setup: async ({ query }) => void (await query(TABLE.replace('measurements', 'idle'))),
    })
  await using one = await SinkScene.open(sink())
  await one.until(() => one.state().status === 'running')
  await using other = await SinkScene.open(sink())
  await other.until(() => other.state().status === 'standby')
  await server.kill()
  await other.until(() => other.state().status === 'waiting')
  await server.start()
  await other.until(() => other.state().status !== 'waiting')
  const statuses = [one, other].map(scene => scene.state().status)
  assert.equal(statuses.filter(status => status === 'running').length <= 1, true, statuses.join())
  await one.until(() => one.state().status !== 'waiting')
  assert.deepEqual([one, other].map(scene => scene.state().status).sort(), ['running', 'standby'])
})
