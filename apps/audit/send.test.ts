import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Running, subscribe } from 'aldebaran'
import { auditFromEnvironment } from './entry.ts'
import { type SendApi, sendReplay, sendTrades } from './send.ts'
import { serveApplication } from './serve.ts'

const folder = mkdtempSync(join(tmpdir(), 'aldebaran-audit-send-'))
const never = new AbortController().signal
let running: Running
let api: SendApi

before(async () => {
  running = await serveApplication({
    data: folder,
    host: '127.0.0.1',
    port: 0,
    speed: 0,
    durability: 'process',
    report: () => {},
  })
  api = {
    async post<T>(path: string, _query: Record<string, never>, body: string, contentType: string): Promise<T> {
      const response = await fetch(running.url + path, {
        method: 'POST',
        body,
        headers: { 'content-type': contentType },
      })
      return (await response.json()) as T
    },
  }
})

after(async () => {
  await running.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The orders of the first `count` alerts; waits for them as long as the test runner lets it. */
async function ordersOfAlerts(count: number): Promise<Set<unknown>> {
  const orders = new Set<unknown>()
  let seen = 0
  const { alerts } = await auditFromEnvironment(process.env)
  for await (const { key } of subscribe(running.log, alerts, { from: 'earliest' })) {
    orders.add(key)
    if (++seen === count) break
  }
  return orders
}

test('made-up trades are accepted, and lead to the alerts they were said to lead to', async () => {
  const report = await sendTrades(api, {
    signal: never,
    rate: 1e6,
    messages: 5000,
    overbought: 0.1,
    unrequested: 0,
    reordered: 0,
  })
  assert.deepEqual([report.accepted, report.rejected], [5000, 0])
  assert.ok(report.expectedAlerts > 20)
  assert.equal((await ordersOfAlerts(report.expectedAlerts)).size, report.expectedAlerts)
})

test('the sample of real trades is accepted as a whole', async () => {
  const report = await sendReplay(api, { signal: never, speed: 1e9 })
  assert.equal(report.rejected, 0)
  assert.equal(report.accepted, 65_382)
  assert.ok(report.expectedAlerts > 200)
})
