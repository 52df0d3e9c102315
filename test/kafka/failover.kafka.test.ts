/** What `npm run bench -- failover` and `rescale` measure, small: who takes over has everything, and nothing twice. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { AuditRun, isCorrect } from '../../bench/cluster-run.ts'
import { application, avro, pipeline, text, topic, t as types } from '../../src/index.ts'
import { Cluster } from '../../src/log/kafka/cluster.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { beginNode, clusterSettings, endNode, makeTopics, Ownership, type PretendedNode } from './directed-nodes.ts'

const GO_ON_MS = 60_000

test('nodes come, are killed, come back and leave under load: no alert and no book is lost or doubled', async t => {
  await using kafka = await kafkaBroker({ properties: {} })
  const run = await AuditRun.begin({
    brokers: kafka.bootstrap,
    nodeBrokers: kafka.bootstrap,
    rate: 1000,
    seed: 1,
    overbought: 0.2,
    partitions: 2,
    nodes: 1,
    standbys: 1,
    timers: false,
    deltaMs: 6 * 3_600_000,
    logs: null,
  })
  t.after(() => run.close())
  const [first] = run.nodes
  const second = run.addNode()
  await run.settled()
  await run.load.goesOn(GO_ON_MS)
  const before = await run.restored()
  await first!.kill()
  await run.load.goesOn(GO_ON_MS)
  const restored = (await run.restored()).get(second.name)! - before.get(second.name)!
  // The standby was near: the changelogs from their begin would be many more.
  assert.ok(restored < 1000, `${restored} records were read`)
  first!.start()
  await run.settled()
  await second.stop()
  await run.load.goesOn(GO_ON_MS)
  const outcome = await run.finish(GO_ON_MS)
  assert.ok(outcome.alerts > 0 && outcome.books > 0)
  assert.ok(isCorrect(outcome), JSON.stringify(outcome))
})

test('a node that had looked at the topics before another one made the changelogs joins it', async t => {
  const { bootstrap } = await kafkaBroker()
  const name = `late-${randomUUID().slice(0, 8)}`
  const number = avro('Number', { n: types.int })
  const numbers = topic(`${name}-numbers`, { key: text(), value: number, partitions: 2 })
  const counting = pipeline('counting')
  const counts = counting.table('counts', { key: text(), row: { count: types.int } })
  counting.from(numbers).into(counts, (_, row) => {
    row.count++
  })
  const app = application(name, { pipelines: [counting] })
  const nodes: PretendedNode[] = []
  t.after(() => Promise.all(nodes.map(endNode)))
  await makeTopics(bootstrap, new Map([[numbers.name, 2]]))
  const late = new Cluster(clusterSettings(bootstrap, 'late'))
  await late.refresh()
  assert.ok(late.topics.has(numbers.name))
  await makeTopics(bootstrap, new Map([[`${name}.counting.counts.changelog`, 2]]))
  const ownership = new Ownership()
  const settings = { bootstrap, application: app, ownership, protocol: 'streams', nodes } as const
  await beginNode({ ...settings, name: 'early', port: 40_000 })
  await ownership.until(() => ownership.countOf('early-0') === 2)
  await beginNode({ ...settings, name: 'late', port: 40_001, cluster: late })
  await ownership.until(() => ownership.countOf('late-0') === 1)
  assert.deepEqual(ownership.conflicts, [])
})
