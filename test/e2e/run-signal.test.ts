import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { embedded, type Running, run } from '../../src/index.ts'
import { app } from './programs/waiting-application.ts'

const folder = mkdtempSync(join(tmpdir(), 'aldebaran-signal-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const start = (signal: AbortSignal): Promise<Running> =>
  run(app, {
    log: embedded(join(folder, 'log')),
    http: { port: 0, console: false },
    workers: 1,
    entry: new URL('./programs/waiting-application.ts', import.meta.url),
    signals: false,
    report: () => {},
    signal,
  })

test('a signal stops an application that never gets ready', async () => {
  const waits = join(folder, 'waits')
  process.env.WAITING_FILE = waits
  await assert.rejects(start(AbortSignal.abort()), { code: 'LOG_CLOSED' })
  rmSync(waits, { force: true })
  const controller = new AbortController()
  const starting = start(controller.signal)
  while (!existsSync(waits)) await setTimeout(5)
  controller.abort()
  await assert.rejects(starting, { code: 'LOG_CLOSED' })
})

test('a signal stops one that is ready, and its log can be opened again', async () => {
  delete process.env.WAITING_FILE
  for (let time = 0; time < 2; time++) {
    const controller = new AbortController()
    const running = await start(controller.signal)
    assert.equal((await fetch(`${running.url}/health`)).status, 200)
    controller.abort()
    await running.stop()
    await assert.rejects(fetch(`${running.url}/health`))
  }
})
