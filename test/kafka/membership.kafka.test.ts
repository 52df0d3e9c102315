import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { AldebaranError } from '../../src/errors.ts'
import { buryMember } from '../../src/log/kafka/group/bury.ts'
import type { GroupProtocol } from '../../src/log/kafka/group/enter-group.ts'
import { offsetCommit, offsetFetch } from '../../src/log/kafka/wire/data-messages.ts'
import { NONE, nameOfCode } from '../../src/log/kafka/wire/error-codes.ts'
import { atVersion, type ValueOf } from '../../src/log/kafka/wire/types.ts'
import { pipeline } from '../../src/pipeline/pipeline.ts'
import { topic } from '../../src/pipeline/topic.ts'
import { type Application, application } from '../../src/runtime/application.ts'
import type { SeatedMember } from '../../src/runtime/kafka/director.ts'
import { groupParts } from '../../src/runtime/kafka/group-parts.ts'
import { avro } from '../../src/schema/avro.ts'
import { t } from '../../src/schema/field-types.ts'
import { text } from '../../src/schema/primitives.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import {
  beginNode,
  clusterSettings,
  endNode,
  makeTopics,
  type NodeSettings,
  Ownership,
  type PretendedNode,
} from './directed-nodes.ts'
import { LossyCluster } from './lossy-cluster.ts'

const PARTITIONS = 6

/** Two parts: the numbers, and by key what was counted of them. */
function countingApplication(more: readonly string[] = []): Application {
  const name = `membership-${randomUUID().slice(0, 8)}`
  return namedApplication(name, more)
}

function namedApplication(name: string, more: readonly string[] = []): Application {
  const number = avro('Number', { n: t.int })
  const numbers = topic(`${name}-numbers`, { key: text(), value: number, partitions: PARTITIONS })
  const counting = pipeline('counting')
  const counts = counting.table('counts', { key: text(), row: { count: t.int } })
  counting
    .from(numbers)
    .keyBy('by-parity', ({ n }) => String(n % 2), { key: text(), value: number })
    .into(counts, (_, row) => {
      row.count++
    })
  for (const table of more) {
    const others = counting.table(table, { key: text(), row: { count: t.int } })
    counting
      .from(topic(`${name}-${table}`, { key: text(), value: number, partitions: PARTITIONS }))
      .into(others, () => {})
  }
  return application(name, { pipelines: [counting] })
}

/** As the member of the node, at its epoch or before. @returns the code of the answer */
async function commitPosition({ cluster, director }: PretendedNode, topic: string, before: number): Promise<number> {
  const [{ group, memberId, epoch }] = director.members() as [SeatedMember]
  const position = { partition: 0, offset: 0, leaderEpoch: -1, metadata: 'kept' }
  const codeOf = (answer: ValueOf<typeof offsetCommit.response>) => answer.topics[0]!.partitions[0]!.errorCode
  const answer = await cluster.askCoordinator(
    'group',
    group,
    atVersion(offsetCommit, 9),
    {
      groupId: group,
      generationId: epoch + before,
      memberId,
      groupInstanceId: null,
      topics: [{ name: topic, partitions: [position] }],
    },
    codeOf,
  )
  return codeOf(answer)
}

/** It has a table. */
function stateful(task: string): boolean {
  return task.startsWith('counting-2/')
}

/** Numbers from 0 to 1 that are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** The same parts; the second has one more table. */
function withTable(name: string): Application {
  const number = avro('Number', { n: t.int })
  const numbers = topic(`${name}-numbers`, { key: text(), value: number, partitions: PARTITIONS })
  const counting = pipeline('counting')
  const all = counting.table('all', { key: text(), row: { count: t.int } })
  const counts = counting.table('counts', { key: text(), row: { count: t.int } })
  const keyed = counting.from(numbers).keyBy('by-parity', ({ n }) => String(n % 2), { key: text(), value: number })
  keyed.into(counts, () => {})
  keyed.into(all, () => {})
  return application(name, { pipelines: [counting] })
}

function topicsOf(of: Application): Map<string, number> {
  return new Map(
    of.topologies.flatMap(topology =>
      groupParts(of, topology).flatMap(part =>
        [...part.sources, ...part.changelogs].map(name => [name, part.partitions] as const),
      ),
    ),
  )
}

const TASKS = 2 * PARTITIONS

/** The nodes of a test, and how long its steps took. */
class Scene {
  readonly ownership = new Ownership()
  readonly nodes: PretendedNode[] = []
  readonly application: Application
  readonly #bootstrap: string
  readonly #protocol: GroupProtocol

  constructor(bootstrap: string, protocol: GroupProtocol, of: Application = countingApplication()) {
    this.#bootstrap = bootstrap
    this.#protocol = protocol
    this.application = of
  }

  get group(): string {
    return `${this.application.name}.counting`
  }

  async begin(name: string, more: Partial<NodeSettings> = {}): Promise<PretendedNode> {
    return beginNode({
      bootstrap: this.#bootstrap,
      application: this.application,
      name,
      port: 40_000 + this.nodes.length,
      ownership: this.ownership,
      protocol: this.#protocol,
      nodes: this.nodes,
      ...more,
    })
  }

  /** Until each of these workers has so many tasks, and all tasks are owned. */
  async balanced(counts: Record<string, number>): Promise<void> {
    const { ownership } = this
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
    await ownership.until(
      () =>
        ownership.owners.size === all &&
        Object.entries(counts).every(([owner, count]) => ownership.countOf(owner) === count),
    )
  }

  /** As if the process had been killed: no heartbeat any more, and nothing is let go of. */
  kill(node: PretendedNode): void {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    node.cluster.close()
    for (let i = 0; i < node.workers.length; i++) this.ownership.dropAll(`${node.name}-${i}`)
  }

  async end(): Promise<void> {
    for (const node of this.nodes.splice(0)) await endNode(node)
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

test('a task with tables stays until the member that is to have it has nearly read them', async t => {
  const { bootstrap } = await kafkaBroker()
  const scene = new Scene(bootstrap, 'streams')
  t.after(() => scene.end())
  await makeTopics(bootstrap, topicsOf(scene.application))
  const a = await scene.begin('a')
  await scene.balanced({ 'a-0': TASKS })
  scene.ownership.cold.clear()
  const b = await scene.begin('b', { lag: 1_000_000 })
  const [worker] = b.workers
  const following = (): string[] => worker!.owned.standby.map(({ id }) => id).filter(stateful)
  await scene.ownership.until(() => following().length > 0)
  assert.equal(a.workers[0]!.owned.active.length, TASKS)
  worker!.catchUp()
  await scene.balanced({ 'a-0': TASKS / 2, 'b-0': TASKS / 2 })
  assert.deepEqual([...scene.ownership.cold].filter(stateful), [])
  assert.deepEqual(scene.ownership.conflicts, [])
})

describe('the shape of a pipeline in a streams group', () => {
  test('a version with another table joins the nodes of the version before', async t => {
    const { bootstrap } = await kafkaBroker()
    const before = new Scene(bootstrap, 'streams')
    t.after(() => before.end())
    await makeTopics(bootstrap, topicsOf(before.application))
    await before.begin('a')
    const now = withTable(before.application.name)
    await before.begin('b', { application: now })
    await before.balanced({ 'a-0': 6, 'b-0': 6 })
  })

  test('a version with other parts waits for the nodes of the version before, then takes over', async t => {
    const { bootstrap } = await kafkaBroker()
    const before = new Scene(bootstrap, 'streams')
    t.after(() => before.end())
    const now = namedApplication(before.application.name, ['others'])
    await makeTopics(bootstrap, topicsOf(now))
    const a = await before.begin('a')
    await before.balanced({ 'a-0': TASKS })
    const source = `${before.application.name}-numbers`
    assert.equal(await commitPosition(a, source, 0), NONE)
    assert.equal(nameOfCode(await commitPosition(a, source, -1)), 'STALE_MEMBER_EPOCH')
    const after = new Scene(bootstrap, 'streams', now)
    t.after(() => after.end())
    const beginning = after.begin('b')
    await after.ownership.until(() => after.nodes[0]?.reports.some(report => report.includes('other parts')) === true)
    before.nodes.pop()
    await endNode(a)
    await beginning
    await after.balanced({ 'b-0': TASKS + PARTITIONS })
    const [b] = after.nodes
    const { groups } = await b!.cluster.askCoordinator(
      'group',
      after.group,
      offsetFetch,
      { groups: [{ groupId: after.group, topics: null }], requireStable: true },
      answer => answer.groups[0]?.errorCode ?? NONE,
    )
    assert.equal(groups[0]!.topics[0]!.partitions[0]!.metadata, 'kept')
  })
})
