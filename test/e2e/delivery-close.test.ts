import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { embedded, Producer, run } from '../../src/index.ts'
import { closing, notes } from './closing-application.ts'

test('what deliveries keep open is closed once in each thread, after the last try', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-close-'))
  const file = join(folder, 'closed')
  process.env.CLOSED_FILE = file
  const reports: string[] = []
  try {
    const running = await run(closing, {
      log: embedded(join(folder, 'log'), { durability: 'process' }),
      workers: 2,
      http: false,
      signals: false,
      entry: new URL('./closing-application.ts', import.meta.url),
      report: (_level, message, details) => reports.push(`${message} ${details.error ?? ''}`),
    })
    const producer = new Producer(running.log)
    for (let n = 0; n < 10; n++) producer.send(notes, `${n}`, 'sent')
    await producer.flush()
    await running.stop()
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    assert.equal(lines.at(-1), 'closed')
    assert.equal(lines.filter(line => line === 'closed').length, 2)
    const problem = 'a delivery was not closed it cannot be closed'
    assert.deepEqual(
      reports.filter(report => report.includes('not closed')),
      [problem, problem],
    )
  } finally {
    delete process.env.CLOSED_FILE
    rmSync(folder, { recursive: true, force: true })
  }
})
