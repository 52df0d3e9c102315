import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Running } from 'aldebaran'
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

async function alertsAfter(count: number): Promise<number> {
  const written = () => [0, 1, 2, 3].reduce((sum, partition) => sum + running.log.partition('alerts', partition).end, 0)
  const deadline = performance.now() + 30_000
  while (written() < count && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
  return written()
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
  assert.ok((await alertsAfter(report.expectedAlerts)) >= report.expectedAlerts)
})

test('the sample of real trades is accepted as a whole', async () => {
  const report = await sendReplay(api, { signal: never, speed: 1e9 })
  assert.equal(report.rejected, 0)
  assert.equal(report.accepted, 65_382)
  assert.ok(report.expectedAlerts > 200)
})
