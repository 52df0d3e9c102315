/** Event time and windows on Kafka: two nodes, one and the other killed on the way, and each reading counts once. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Producer, subscribe } from '../../src/index.ts'
import { openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { type Event, SIZE, SPAN, type Told, topicsOf } from './windows-application.ts'

const { bootstrap } = await kafkaBroker()
const GROUPS = ['a', 'b', 'c', 'd', 'e']
const EVENTS = 1500
const KILLS = 4

test('each reading counts once in each of its windows, whoever is killed', async t => {
  const name = `windows${randomUUID().slice(0, 8)}`
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-windows-'))
  const nodes = new Map<string, ChildProcess>()
  const start = async (node: string): Promise<void> => {
    const child = fork(new URL('./windows-node.ts', import.meta.url), [bootstrap, node, join(folder, node)], {
      env: { ...process.env, WINDOWS_NAME: name },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    nodes.set(node, child)
    await Promise.race([once(child, 'message'), once(child, 'exit').then(() => assert.fail('the node ended'))])
  }
  const kill = async (node: string): Promise<void> => {
    const child = nodes.get(node)!
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  t.after(async () => {
    await Promise.all([...nodes.keys()].map(kill))
    rmSync(folder, { recursive: true, force: true })
  })
  await Promise.all([start('one'), start('two')])

  const { bootstrap: brokers } = parseKafkaLocation(`kafka://${bootstrap}`, {})
  const host = await openKafka({ bootstrap: brokers, node: `test-${randomUUID().slice(0, 8)}` })
  t.after(() => host.close())
  const log = host.client()
  const topics = topicsOf(name)
  const producer = new Producer(log)
  const sent: Event[] = []
  const times = new Set<number>()
  const begun = Date.now()
  for (let id = 1; id <= EVENTS; id++) {
    let at = begun + id * 5 - ((id * 7919) % 400)
    // Which of two equal times comes first behind the keyBy is nobody's promise.
    while (times.has(at)) at++
    times.add(at)
    const event = { id, group: GROUPS[id % GROUPS.length]!, at }
    sent.push(event)
    producer.send(topics.events, `k${id % 11}`, event)
    if (id % 10 !== 0) continue
    await producer.flush()
    await setTimeout(20)
    if (id % Math.floor(EVENTS / KILLS) < 10) {
      const node = id % 20 === 0 ? 'one' : 'two'
      await kill(node)
      await start(node)
    }
  }

  const found = { tumbling: new Map<string, string[]>(), rolling: new Map<string, string[]>() }
  const expected = { tumbling: tumblingOf(sent), rolling: rollingOf(sent) }
  await Promise.all(
    (['tumbling', 'rolling'] as const).map(async kind => {
      let left = expected[kind].length
      for await (const { key, value } of subscribe(log, topics[kind], { from: 'earliest' })) {
        const { start: from, n, ids } = value as Told
        found[kind].set(key!, [...(found[kind].get(key!) ?? []), `${key} ${from}: ${n}, ${ids}`])
        if (--left === 0) break
      }
      assert.deepEqual([...found[kind].values()].flat().sort(), expected[kind].sort())
    }),
  )
  // Ten seconds of disorder are waited for: nothing of this is late.
  assert.equal(log.partition(topics.late.name, 0).end + log.partition(topics.late.name, 1).end, 0)
  await log.close()
})

function tumblingOf(sent: readonly Event[]): string[] {
  const windows = Map.groupBy(sent, ({ group, at }) => `${group} ${Math.floor(at / SIZE) * SIZE}`)
  return [...windows].map(([name, inside]) => `${name}: ${inside.length}, ${sumOf(inside)}`)
}

function rollingOf(sent: readonly Event[]): string[] {
  return [...Map.groupBy(sent, ({ group }) => group)].flatMap(([group, list]) => {
    const sorted = list.toSorted((a, b) => a.at - b.at)
    return sorted.map(({ at }, i) => {
      const inside = sorted.slice(0, i + 1).filter(other => other.at >= at - SPAN)
      return `${group} ${at - SPAN}: ${inside.length}, ${sumOf(inside)}`
    })
  })
}

function sumOf(events: readonly Event[]): number {
  return events.reduce((sum, { id }) => sum + id, 0)
}
