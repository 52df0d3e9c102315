/** A store that another process writes to, and makes longer, is not taken for damaged. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { prepareStore } from '../../src/log/store-file.ts'

const LOOKS = 8000

test('a store that grows is sound whenever it is looked at', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-growing-'))
  const child = fork(new URL('./store-grower.ts', import.meta.url), [folder], { execArgv: [] })
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    rmSync(folder, { recursive: true, force: true })
  })
  await once(child, 'message')
  for (let look = 0; look < LOOKS; look++) {
    assert.ok(prepareStore(folder, true).startsWith(folder))
    if (look % 100 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  assert.equal(child.exitCode, null)
})
