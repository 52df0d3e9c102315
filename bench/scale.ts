/** Many nodes and partitions on one broker: how long joining, a death and the shares take, and what watching costs. */

import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { application, pipeline, t, text, topic } from '../src/index.ts'
import { buryMember } from '../src/log/kafka/group/bury.ts'
import { changelogOf } from '../src/runtime/application.ts'
import { PeerMesh } from '../src/runtime/peers/peer-mesh.ts'
import { beginNode, endNode, makeTopics, Ownership, type PretendedNode } from '../test/kafka/directed-nodes.ts'
import { kafkaBroker } from '../test/servers/kafka.ts'
import { cpuSeconds, parseOptions, result } from './measure.ts'

const OPTIONS = {
  nodes: { kind: 'number', default: 100, min: 2, max: 500 },
  partitions: { kind: 'number', default: 1000, min: 1, max: 5000 },
  seconds: { kind: 'number', default: 10, min: 1 },
  burials: { kind: 'number', default: 5, min: 1 },
} as const

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  await members(options.nodes, options.partitions, options.burials, options.seconds)
  await watching(options.nodes, options.seconds)
}

/** Real members of a real group, in one process, with workers that only pretend. */
async function members(count: number, partitions: number, burials: number, seconds: number): Promise<void> {
  const name = `scale-${randomUUID().slice(0, 8)}`
  const source = topic(`${name}.source`, { key: text(), value: text(), partitions })
  const counting = pipeline('counting')
  const counts = counting.table('counts', { key: text(), row: { count: t.int } })
  counting.from(source).into(counts, (_, row) => {
    row.count++
  })
  const app = application(name, { pipelines: [counting] })
  const { bootstrap } = await kafkaBroker()
  const changelog = changelogOf(name, 'counting', 'counts')
  await makeTopics(bootstrap, new Map([source.name, changelog].map(one => [one, partitions] as const)))
  const ownership = new Ownership()
  const nodes: PretendedNode[] = []
  const begin = (i: number): Promise<PretendedNode> =>
    beginNode({
      bootstrap,
      application: app,
      name: `node-${i}`,
      port: 10_000 + i,
      ownership,
      protocol: 'auto',
      nodes,
      standbys: 0,
    })
  const isShared = (): boolean =>
    ownership.owners.size === partitions && nodes.every(({ workers }) => workers[0]!.owned.active.length > 0)
  const begun = performance.now()
  await begin(0)
  await Promise.all(Array.from({ length: count - 1 }, (_, i) => begin(i + 1)))
  await ownership.until(isShared)
  const joinMs = performance.now() - begun
  const cpu = cpuSeconds()
  await pause(seconds * 1000)
  const idleShare = (cpuSeconds() - cpu) / seconds / count
  const times: number[] = []
  for (let i = 0; i < burials; i++) {
    const dead = nodes.pop()!
    const { memberId, group } = dead.director.members()[0]!
    for (const worker of dead.workers) worker.finish()
    dead.cluster.close()
    const buried = performance.now()
    await buryMember(nodes[0]!.cluster, group, memberId)
    for (const node of nodes) node.director.hurry()
    await ownership.until(() => ownership.owners.size === partitions)
    times.push(performance.now() - buried)
  }
  times.sort((a, b) => a - b)
  const tasks = nodes.map(({ workers }) => workers[0]!.owned.active.length)
  result({
    bench: 'scale/members',
    engine: 'kafka',
    nodes: count,
    partitions,
    join_ms: Math.round(joinMs),
    bury_p50_ms: Math.round(times[times.length >> 1]!),
    bury_max_ms: Math.round(times.at(-1)!),
    least_tasks: Math.min(...tasks),
    most_tasks: Math.max(...tasks),
    conflicts: ownership.conflicts.length,
    cores_a_node: Number(idleShare.toFixed(4)),
  })
  await Promise.all(nodes.map(endNode))
}

/** Nodes that watch each other, in one process. */
async function watching(count: number, seconds: number): Promise<void> {
  let deaths = 0
  const meshes = Array.from({ length: count }, (_, i) => {
    const info = { node: `node-${i}`, members: [], transactionalIds: [], api: null, startedAt: i }
    return new PeerMesh({
      secret: null,
      info: () => info,
      answer: () => Promise.resolve(null),
      onDead: () => deaths++,
      deadMs: 10_000,
    })
  })
  const endpoints = await Promise.all(meshes.map(mesh => mesh.listen()))
  for (const mesh of meshes) mesh.setPeers(endpoints)
  const isMet = (): boolean => meshes.every(mesh => mesh.peers().every(peer => peer.state === 'alive'))
  const begun = performance.now()
  while (!isMet()) await pause(20)
  const metMs = performance.now() - begun
  const cpu = cpuSeconds()
  await pause(seconds * 1000)
  result({
    bench: 'scale/peers',
    engine: 'kafka',
    nodes: count,
    met_ms: Math.round(metMs),
    cores_a_node: Number(((cpuSeconds() - cpu) / seconds / count).toFixed(4)),
    wrong_deaths: deaths,
  })
  await Promise.all(meshes.map(mesh => mesh.close()))
}
