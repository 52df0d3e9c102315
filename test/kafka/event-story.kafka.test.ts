/** Two nodes share the tasks of a delivery: either tells the story of every event. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { ApplicationCluster } from '../../src/http/cluster-shape.ts'
import type { EventStory, StoryPlace } from '../../src/http/delivery-shape.ts'
import { Producer } from '../../src/index.ts'
import { openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { systemClock } from '../../src/time/clock.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { ordersOf, PARTITIONS } from './story-application.ts'

const { bootstrap } = await kafkaBroker()
const LOOK_MS = 50
const name = `story${randomUUID().slice(0, 8)}`

async function start(node: string, folder: string): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(new URL('./story-node.ts', import.meta.url), [bootstrap, node, join(folder, node)], {
    env: { ...process.env, STORY_NAME: name },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const [url] = (await once(child, 'message')) as [string]
  return { child, url }
}

async function ask<T>(url: string, path: string): Promise<T | null> {
  const response = await fetch(url + path)
  const body = (await response.json()) as T
  // Not there yet, or a task is just on its way.
  return response.ok ? body : null
}

async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== null) return found
    await setTimeout(LOOK_MS)
  }
}

/** Once it is in that state, with so many tries on record. */
function place(url: string, id: string, state: string, tries: number): Promise<StoryPlace> {
  return until(async () => {
    const story = await ask<EventStory>(url, `/deliveries/post/events/${encodeURIComponent(id)}`)
    const [found] = story?.destinations ?? []
    return found?.state === state && found.attempts.length === tries ? found : null
  })
}

async function tell(url: string, command: object): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify(command)
  const response = await fetch(`${url}/deliveries/post/commands`, { method: 'POST', headers, body })
  assert.equal(response.status, 200, await response.text())
}

test('each of two nodes tells of events that the other one has, in rows and in memory, and commands reach them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-story-'))
  const { bootstrap: brokers } = parseKafkaLocation(`kafka://${bootstrap}`, {})
  const host = await openKafka({ bootstrap: brokers, node: `test-${randomUUID().slice(0, 8)}` })
  const orders = ordersOf(name)
  await host.client().createTopic(orders.name, orders.options)
  const nodes: { child: ChildProcess; url: string }[] = []
  try {
    for (const node of ['a', 'b']) nodes.push(await start(node, folder))
    // Each has tasks before anything is sent.
    await until(async () => {
      const clusters = await Promise.all(
        nodes.map(({ url }) => ask<{ applications: ApplicationCluster[] }>(url, '/cluster')),
      )
      const own = clusters.map(cluster => cluster?.applications[0]?.nodes.find(node => node.own)?.active.length ?? 0)
      return own.every(count => count > 0) && own.reduce((sum, count) => sum + count, 0) === PARTITIONS ? own : null
    })
    const { url } = nodes[0]!
    await tell(url, { command: 'pause', destination: 'paused', reason: 'it moves' })
    await until(async () => {
      const found = await ask<{ destinations: { states: { paused?: number } }[] }>(url, '/deliveries/post/destinations')
      return found?.destinations[0]?.states.paused === PARTITIONS ? found : null
    })
    const producer = new Producer(host.client(), systemClock)
    const ids = Array.from({ length: 2 * PARTITIONS }, (_, n) => `${n % 2 === 0 ? 'paused' : 'order'} ${n}`)
    for (const id of ids) producer.send(orders, `key ${id}`, id)
    await producer.flush()
    for (const node of nodes) {
      for (const id of ids) {
        const isPaused = id.startsWith('paused')
        const found = await place(node.url, id, isPaused ? 'waiting' : 'scheduled', isPaused ? 0 : 1)
        if (isPaused) assert.deepEqual(found.next, { at: null, why: 'its destination is paused: it moves' })
        else assert.deepEqual([found.error, found.attempts[0]!.detail], ['it is sick', { status: 503 }])
      }
    }
    for (const id of ids.filter(one => one.startsWith('order'))) {
      const { event } = await place(url, id, 'scheduled', 1)
      await tell(url, { command: 'send', event })
      const again = await place(nodes[1]!.url, id, 'dead', 2)
      assert.deepEqual(
        again.attempts.map(one => one.number),
        [2, 1],
      )
      assert.equal(again.letter!.state, 'open')
    }
  } finally {
    for (const { child } of nodes) {
      const ended = once(child, 'exit')
      child.send('stop')
      await ended
    }
    await host.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
