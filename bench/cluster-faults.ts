/** What may happen to an auditor on Kafka. Each fault ends with everything there again, as it would be after a while. */
import { setTimeout } from 'node:timers/promises'
import type { SeededRandom } from '../src/testing/random.ts'
import type { KafkaCluster } from '../test/servers/kafka-cluster.ts'
import type { AuditNode } from './cluster-nodes.ts'
import type { ClusterProxy, Moment, Step } from './cluster-proxy.ts'
import type { AuditRun } from './cluster-run.ts'

export interface Scene {
  run: AuditRun
  kafka: KafkaCluster
  brokers: number
  proxy: ClusterProxy
  random: SeededRandom
}

export type Fault = (scene: Scene) => Promise<void>

const RESTART_MS = 500
/** Peers bury a node that says nothing for less than that. */
const PAUSE_MS = 2500
/** A node that does not commit takes no step. */
const STEP_LIMIT_MS = 10_000
const DELAY_MS = 300
const GROUP = 'audit.audit'

export const FAULTS = {
  'node killed': async scene => {
    await setTimeout(scene.random.below(500))
    await killed(nodeOf(scene))
  },
  'node killed: batches not sent': scene => killedAt(scene, 'produce', 'request'),
  'node killed: batches written': scene => killedAt(scene, 'produce', 'answer'),
  'node killed: positions not sent': scene => killedAt(scene, 'offsets', 'request'),
  'node killed: positions written': scene => killedAt(scene, 'offsets', 'answer'),
  'node killed: end not sent': scene => killedAt(scene, 'end', 'request'),
  'node killed: end written': scene => killedAt(scene, 'end', 'answer'),
  'node stopped': async scene => {
    const node = nodeOf(scene)
    await node.stop()
    await setTimeout(RESTART_MS)
    node.start()
    await node.ready
  },
  'node paused': async scene => {
    const node = nodeOf(scene)
    node.pause()
    await setTimeout(PAUSE_MS)
    node.resume()
  },
  'node paused shortly': async scene => {
    const node = nodeOf(scene)
    for (let i = 0; i < 5; i++) {
      node.pause()
      await setTimeout(50 + scene.random.below(500))
      node.resume()
      await setTimeout(scene.random.below(200))
    }
  },
  'connection reset: batches not sent': scene => resetAt(scene, 'produce', 'request'),
  'connection reset: batches written': scene => resetAt(scene, 'produce', 'answer'),
  'connection reset: positions not sent': scene => resetAt(scene, 'offsets', 'request'),
  'connection reset: positions written': scene => resetAt(scene, 'offsets', 'answer'),
  'connection reset: end not sent': scene => resetAt(scene, 'end', 'request'),
  'connection reset: end written': scene => resetAt(scene, 'end', 'answer'),
  'connections reset': async scene => {
    const { name } = nodeOf(scene)
    for (let i = 0; i < 5; i++) {
      scene.proxy.reset(name)
      await setTimeout(scene.random.below(300))
    }
  },
  'network cut': async scene => {
    const { name } = nodeOf(scene)
    scene.proxy.cut(name)
    await setTimeout(500 + scene.random.below(4000))
    scene.proxy.heal(name)
  },
  'network cut for long': async scene => {
    const { name } = nodeOf(scene)
    scene.proxy.cut(name)
    await setTimeout(14_000)
    scene.proxy.heal(name)
  },
  'network slow': async scene => {
    const { name } = nodeOf(scene)
    scene.proxy.delay(name, 1 + scene.random.below(DELAY_MS))
    await setTimeout(3000)
    scene.proxy.heal(name)
  },
  'broker killed': async scene => brokerKilled(scene, scene.random.below(scene.brokers)),
  'broker restarted': async scene => {
    const broker = scene.random.below(scene.brokers)
    await scene.kafka.stop(broker)
    await scene.kafka.start(broker)
  },
  'broker paused': async scene => {
    const broker = scene.random.below(scene.brokers)
    scene.kafka.pause(broker)
    await setTimeout(1000 + scene.random.below(4000))
    scene.kafka.resume(broker)
  },
  'coordinator of the group killed': async scene => brokerKilled(scene, await coordinator(scene, 'group', GROUP)),
  'coordinator of transactions killed': async scene => {
    const { name } = nodeOf(scene)
    await brokerKilled(scene, await coordinator(scene, 'transaction', `audit.${name}.worker-0.0`))
  },
} satisfies Record<string, Fault>

function nodeOf({ run, random }: Scene): AuditNode {
  return run.nodes[random.below(run.nodes.length)]!
}

async function killed(node: AuditNode): Promise<void> {
  await node.kill()
  await setTimeout(RESTART_MS)
  node.start()
  await node.ready
}

async function killedAt(scene: Scene, step: Step, moment: Moment): Promise<void> {
  const node = nodeOf(scene)
  await atStep(scene, node.name, step, moment, () => void node.kill())
  await killed(node)
}

async function resetAt(scene: Scene, step: Step, moment: Moment): Promise<void> {
  await atStep(scene, nodeOf(scene).name, step, moment, () => {})
}

/** Resolves when the node took the step; what it did is lost or not, and its connection is closed. */
async function atStep({ proxy }: Scene, node: string, step: Step, moment: Moment, act: () => void): Promise<void> {
  const caught = Promise.withResolvers<void>()
  proxy.trap(node, step, moment, () => {
    act()
    caught.resolve()
  })
  const late = new AbortController()
  const waited = setTimeout(STEP_LIMIT_MS, undefined, { signal: late.signal }).then(
    () => {
      throw new Error(`${node} did not come to the step ${step}`)
    },
    () => {},
  )
  try {
    await Promise.race([caught.promise, waited])
  } finally {
    late.abort()
    proxy.release()
  }
}

async function brokerKilled({ kafka, random }: Scene, broker: number): Promise<void> {
  await kafka.kill(broker)
  await setTimeout(random.below(4000))
  await kafka.start(broker)
}

async function coordinator({ run }: Scene, kind: 'group' | 'transaction', key: string): Promise<number> {
  const { cluster } = run.load.host
  cluster.forgetCoordinator(kind, key)
  if (cluster.brokers.size === 0) await cluster.refresh()
  return await cluster.coordinator(kind, key)
}
