/** One thread of an application that blocks or dies, as seen from the others: in what order things happen. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { embedded, Producer, type Running, run } from '../../src/index.ts'
import { withCode } from '../contract/log-data.ts'
import { breakLog } from './programs/break-log.ts'
import { done, KEYS, mortal, type Order, orders } from './programs/mortal-application.ts'

let folder = ''
let running: Running
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-threads-'))
  running = await run(mortal, {
    log: embedded(join(folder, 'store'), { durability: 'process' }),
    workers: 2,
    http: { port: 0 },
    signals: false,
    entry: new URL('./programs/mortal-application.ts', import.meta.url),
    report: () => {},
  })
})
afterEach(async () => {
  writeFileSync(join(folder, 'gate'), '')
  await running.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function send(...sent: Order[]): Promise<void> {
  const producer = new Producer(running.log)
  for (const order of sent) producer.send(orders, KEYS[order.n % 2]!, order)
  await producer.flush()
}

function doneIn(partition: number): number {
  return running.log.partition(done.name, partition).end
}

async function health(): Promise<{ status: number; body: { status: string; problems: { worker: number | null }[] } }> {
  const answer = await fetch(new URL('/health', running.url!))
  return { status: answer.status, body: (await answer.json()) as Awaited<ReturnType<typeof health>>['body'] }
}

describe('a handler that blocks its thread', () => {
  it('leaves health and the other worker as they are', async () => {
    await send({ n: 0, fate: 'waits for file', file: join(folder, 'gate') }, { n: 1 })
    while (doneIn(1) < 1) await setTimeout(2)
    assert.deepEqual(await health(), { status: 200, body: { status: 'ok', problems: [] } })
    await send({ n: 2 }, { n: 3 })
    while (doneIn(1) < 2) await setTimeout(2)
    assert.equal(doneIn(0), 0)
    writeFileSync(join(folder, 'gate'), '')
    while (doneIn(0) < 2) await setTimeout(2)
    assert.equal(doneIn(1), 2)
  })
})

describe('a log thread that dies', () => {
  it('makes the application fail for good: health says so, writes are refused, and it can be stopped', async () => {
    await send({ n: 0 }, { n: 1 })
    breakLog(running.address())
    assert.equal((await running.failed).code, 'LOG_STOPPED')
    const { status, body } = await health()
    assert.deepEqual([status, body.status, body.problems[0]?.worker], [503, 'failing', null])
    await assert.rejects(send({ n: 2 }), withCode('LOG_STOPPED'))
    await assert.rejects(running.ready(), withCode('LOG_STOPPED'))
    await running.stop()
    assert.deepEqual(
      running.workers.map(worker => worker.state),
      ['stopped', 'stopped'],
    )
  })
})
