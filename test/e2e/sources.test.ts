/** Sources of an application: when they are started and stopped, and what of them is seen. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { AldebaranError, embedded, Producer, type Running, run, type Source, type SourceState } from 'aldebaran'
import { app, notes } from './http-application.ts'

const folder = mkdtempSync(join(tmpdir(), 'aldebaran-sources-'))
after(() => rmSync(folder, { recursive: true }))

const STATE: SourceState = {
  status: 'running',
  problem: null,
  records: 3,
  rejected: 1,
  newestAt: 1000,
  oldestAgeMs: 1500,
}

function start(name: string, sources: readonly Source[]): Promise<Running> {
  return run(app, {
    log: embedded(join(folder, name), { durability: 'process' }),
    entry: new URL('./http-application.ts', import.meta.url),
    http: { port: 0, tokens: [] },
    signals: false,
    report: () => {},
    sources,
  })
}

test('a source is started when all is ready, is seen, and stops while the log still takes records', async () => {
  const told: string[] = []
  const source: Source = {
    name: 'made-up',
    async start(running) {
      told.push(`ready: ${running.health().ready}`)
      return {
        state: () => STATE,
        async stop() {
          const producer = new Producer(running.log)
          producer.send(notes, 'last', 'words')
          await producer.flush()
          told.push('stopped')
        },
      }
    },
  }
  const running = await start('seen', [source])
  running.onStop(async () => void told.push('a hook of later'))
  assert.deepEqual(told, ['ready: true'])
  assert.deepEqual(
    running.sources.map(one => [one.name, one.state()]),
    [['made-up', STATE]],
  )
  const metrics = await (await fetch(`${running.url}/metrics`)).text()
  for (const line of [
    'records_total{source="made-up",application="shop"} 3',
    'up{source="made-up",application="shop"} 1',
  ]) {
    assert.ok(metrics.includes(`aldebaran_source_${line}`), line)
  }
  assert.ok(metrics.includes('aldebaran_source_oldest_seconds{source="made-up",application="shop"} 1.5'))
  await running.stop()
  assert.ok(told.includes('stopped'))
})

test('a source that refuses its settings keeps the application from starting, and those before it are stopped', async () => {
  let stopped = 0
  const good: Source = { name: 'good', start: async () => ({ state: () => STATE, stop: async () => void stopped++ }) }
  const bad: Source = {
    name: 'bad',
    start: async () => {
      throw new AldebaranError('OPTION_INVALID', 'url: is wrong')
    },
  }
  await assert.rejects(start('refused', [good, bad]), /url: is wrong/)
  assert.equal(stopped, 1)
  await assert.rejects(start('refused', [good, good]), /two sources are named 'good'/)
  await assert.rejects(start('refused', [{ ...good, name: 'no name' }]), /'no name' is not a name for a source/)
  const running = await start('refused', [good])
  await running.stop()
  assert.equal(stopped, 2)
})
