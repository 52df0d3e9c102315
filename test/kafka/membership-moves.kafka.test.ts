/** Members of a streams group: tasks with tables move, and versions of an application follow each other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { offsetCommit, offsetFetch } from '../../src/log/kafka/wire/data-messages.ts'
import { NONE, nameOfCode } from '../../src/log/kafka/wire/error-codes.ts'
import { atVersion, type ValueOf } from '../../src/log/kafka/wire/types.ts'
import { pipeline } from '../../src/pipeline/pipeline.ts'
import { topic } from '../../src/pipeline/topic.ts'
import { type Application, application } from '../../src/runtime/application.ts'
import type { SeatedMember } from '../../src/runtime/kafka/director.ts'
import { avro } from '../../src/schema/avro.ts'
import { t } from '../../src/schema/field-types.ts'
import { text } from '../../src/schema/primitives.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { endNode, makeTopics, type PretendedNode } from './directed-nodes.ts'
import { namedApplication, PARTITIONS, Scene, stateful, TASKS, topicsOf } from './membership-scene.ts'

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
