import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AldebaranError } from '../../src/errors.ts'
import { buryMember } from '../../src/log/kafka/group/bury.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { clusterSettings, endNode, makeTopics, type PretendedNode } from './directed-nodes.ts'
import { LossyCluster } from './lossy-cluster.ts'
import { PARTITIONS, Scene, stateful, TASKS, topicsOf } from './membership-scene.ts'

/** Numbers from 0 to 1 that are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

async function timed(label: string, step: () => Promise<unknown>): Promise<void> {
  const begun = performance.now()
  await step()
  if (process.env.MEASURE !== undefined)
    process.stderr.write(`${label}: ${(performance.now() - begun).toFixed(0)} ms\n`)
}

for (const protocol of ['streams', 'classic'] as const) {
  describe(`membership by the ${protocol} protocol`, () => {
    test('the first member gets all, the second its share, and no task ever has two owners', async t => {
      const { bootstrap } = await kafkaBroker()
      const scene = new Scene(bootstrap, protocol)
      t.after(() => scene.end())
      await makeTopics(bootstrap, topicsOf(scene.application))
      await timed(`${protocol} first join`, async () => {
        await scene.begin('a')
        await scene.balanced({ 'a-0': TASKS })
      })
      await timed(`${protocol} second join and move`, async () => {
        await scene.begin('b')
        await scene.balanced({ 'a-0': TASKS / 2, 'b-0': TASKS / 2 })
      })
      await scene.begin('c', { workers: 2 })
      await scene.balanced({ 'a-0': 3, 'b-0': 3, 'c-0': 3, 'c-1': 3 })
      assert.deepEqual(scene.ownership.conflicts, [])
    })

    test('a task moves only after its owner has let go of it', async t => {
      const { bootstrap } = await kafkaBroker()
      const scene = new Scene(bootstrap, protocol)
      t.after(() => scene.end())
      await makeTopics(bootstrap, topicsOf(scene.application))
      const a = await scene.begin('a')
      await scene.balanced({ 'a-0': TASKS })
      a.workers[0]!.holdsOn = true
      await scene.begin('b')
      await scene.ownership.until(() => a.workers[0]!.owned.closing.length > 0)
      scene.nodes[1]!.director.hurry()
      a.director.hurry()
      assert.equal(scene.ownership.countOf('b-0'), 0)
      assert.equal(scene.ownership.countOf('a-0'), TASKS)
      a.workers[0]!.letGo()
      await scene.balanced({ 'a-0': TASKS / 2, 'b-0': TASKS / 2 })
      assert.deepEqual(scene.ownership.conflicts, [])
    })

    test('the tasks of a buried member go to the others, its standbys first; it joins again if it lives', async t => {
      const { bootstrap } = await kafkaBroker()
      const scene = new Scene(bootstrap, protocol)
      t.after(() => scene.end())
      await makeTopics(bootstrap, topicsOf(scene.application))
      const [a, b, c] = [await scene.begin('a'), await scene.begin('b'), await scene.begin('c')]
      await scene.balanced({ 'a-0': 4, 'b-0': 4, 'c-0': 4 })
      await scene.ownership.until(
        () =>
          [a!, b!, c!].flatMap(({ workers }) => workers[0]!.owned.standby.filter(({ id }) => stateful(id))).length >=
          PARTITIONS,
      )
      const [dead] = c!.director.members()
      const { cold } = scene.ownership
      cold.clear()
      scene.kill(c!)
      await timed(`${protocol} bury, until the others have all`, async () => {
        assert.equal(await buryMember(a!.cluster, dead!.group, dead!.memberId), true)
        for (const node of scene.nodes) node.director.hurry()
        await scene.balanced({ 'a-0': 6, 'b-0': 6 })
      })
      assert.deepEqual([...cold].filter(stateful), [])
      assert.equal(await buryMember(a!.cluster, dead!.group, dead!.memberId), false)
      const [alive] = b!.director.members()
      await buryMember(a!.cluster, alive!.group, alive!.memberId)
      await scene.ownership.until(() => b!.reports.some(report => report.includes('went on without')))
      await scene.ownership.until(() => b!.director.members()[0]!.memberId !== alive!.memberId)
      await scene.balanced({ 'a-0': 6, 'b-0': 6 })
    })

    test('every node knows which node has which task', async t => {
      const { bootstrap } = await kafkaBroker()
      const scene = new Scene(bootstrap, protocol)
      t.after(() => scene.end())
      await makeTopics(bootstrap, topicsOf(scene.application))
      const a = await scene.begin('a', { workers: 2 })
      await scene.begin('b', { workers: 2 })
      await scene.balanced({ 'a-0': 3, 'a-1': 3, 'b-0': 3, 'b-1': 3 })
      const ofNode = (port: number): number =>
        a.director
          .peers()
          .get(scene.group)
          ?.find(({ endpoint }) => endpoint.port === port)?.active.length ?? 0
      await scene.ownership.until(() => ofNode(40_000) === 6 && ofNode(40_001) === 6)
      const told = a.director.peers().get(scene.group)!
      assert.deepEqual(told.flatMap(({ active }) => active).sort(), [...scene.ownership.owners.keys()].sort())
    })

    test('a member that leaves gives its tasks to the others at once', async t => {
      const { bootstrap } = await kafkaBroker()
      const scene = new Scene(bootstrap, protocol)
      t.after(() => scene.end())
      await makeTopics(bootstrap, topicsOf(scene.application))
      await scene.begin('a')
      const b = await scene.begin('b')
      await scene.balanced({ 'a-0': 6, 'b-0': 6 })
      scene.nodes.splice(scene.nodes.indexOf(b), 1)
      await timed(`${protocol} leave, until the other has all`, async () => {
        await endNode(b)
        for (const node of scene.nodes) node.director.hurry()
        await scene.balanced({ 'a-0': TASKS })
      })
      assert.deepEqual(scene.ownership.conflicts, [])
    })

    test('the coordinator dies and comes back: tasks stay, and the group goes on', async t => {
      // Brokers without streams groups: the classic protocol is found by itself.
      const without = { 'group.coordinator.rebalance.protocols': 'classic,consumer' }
      const kafka = await kafkaBroker(protocol === 'classic' ? { properties: without } : {})
      const scene = new Scene(kafka.bootstrap, 'auto')
      t.after(async () => {
        await scene.end()
        await kafka.end()
      })
      await makeTopics(kafka.bootstrap, topicsOf(scene.application))
      const a = await scene.begin('a')
      await scene.begin('b')
      await scene.balanced({ 'a-0': 6, 'b-0': 6 })
      await kafka.kill(0)
      await scene.ownership.until(() => a.reports.some(report => report.includes('gives out no tasks')))
      await kafka.start(0)
      await timed(`${protocol}: a third joins after the coordinator came back`, async () => {
        await scene.begin('c')
        await scene.balanced({ 'a-0': 4, 'b-0': 4, 'c-0': 4 })
      })
      await endNode(scene.nodes.pop()!)
      await scene.balanced({ 'a-0': 6, 'b-0': 6 })
      assert.deepEqual(scene.ownership.conflicts, [])
    })

    test('answers get lost while nodes come and go: in the end every task has one owner, and balance', async t => {
      const { bootstrap } = await kafkaBroker()
      const scene = new Scene(bootstrap, protocol)
      t.after(() => scene.end())
      await makeTopics(bootstrap, topicsOf(scene.application))
      const random = seeded(7)
      const clusters: LossyCluster[] = []
      const nodes: PretendedNode[] = []
      const begin = async (name: string): Promise<PretendedNode> => {
        const cluster = new LossyCluster(clusterSettings(bootstrap, name), random)
        cluster.share = 0.15
        clusters.push(cluster)
        const node = await scene.begin(name, { cluster })
        nodes.push(node)
        return node
      }
      await begin('a')
      await begin('b')
      for (const name of ['c', 'd', 'e']) {
        await begin(name)
        for (const node of scene.nodes) node.director.hurry()
        const [first] = scene.nodes.splice(0, 1)
        await endNode(first!)
      }
      assert.ok(clusters.some(cluster => cluster.lost > 0))
      await scene.balanced({ 'd-0': 6, 'e-0': 6 })
      const fenced = nodes.flatMap(node => node.reports.filter(report => report.includes('went on without')))
      if (fenced.length === 0) assert.deepEqual(scene.ownership.conflicts, [])
    })

    test('a group with members of the other protocol is not entered', async t => {
      const { bootstrap } = await kafkaBroker()
      const scene = new Scene(bootstrap, protocol)
      t.after(() => scene.end())
      await makeTopics(bootstrap, topicsOf(scene.application))
      await scene.begin('a')
      const other = protocol === 'streams' ? 'classic' : 'streams'
      await assert.rejects(
        () => scene.begin('b', { protocol: other }),
        (error: unknown) =>
          error instanceof AldebaranError && error.code === 'KAFKA_REFUSED' && /another protocol/.test(error.message),
      )
      scene.nodes.pop()!.cluster.close()
    })
  })
}
