/** What was written to a topic in `reads` before an event was written is there when the event is routed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { embedded, Producer, run, subscribe } from '../../src/index.ts'
import { openLog } from '../../src/log/host.ts'
import { accounts, app, attempts, events } from './reads-first-application.ts'

test('a task that begins knows what was there to be looked up before it routes an event, whatever the clocks said', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-reads-first-'))
  try {
    const path = join(folder, 'data')
    const host = await openLog({ path, durability: 'process' })
    const log = host.client()
    for (const { name, options } of [events, accounts]) await log.createTopic(name, options)
    const producer = new Producer(log)
    const now = Date.now()
    // By a node whose clock is 2 s ahead of that of who sends the event afterwards.
    producer.send(accounts, 'acme', 'its-endpoint', { timestamp: now })
    await producer.flush()
    producer.send(events, 'acme', 'an event', { timestamp: now - 2000 })
    await producer.flush()
    await host.close()
    const running = await run(app, {
      log: embedded(path, { durability: 'process' }),
      workers: 1,
      http: false,
      entry: new URL('./reads-first-application.ts', import.meta.url),
      report: () => {},
    })
    try {
      for await (const { value } of subscribe(running.log, attempts, { from: 'earliest' })) {
        assert.equal(value!.destination, 'its-endpoint')
        break
      }
    } finally {
      await running.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
