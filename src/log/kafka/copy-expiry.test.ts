import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../../time/clock.ts'
import { CopyExpiry, LOOK_MS, META, UNUSED_MS } from './copy-expiry.ts'

const START = 1_700_000_000_000

/** A folder of copies, some of which are in use. */
function begin(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-copies-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const clock = new VirtualClock(START)
  const used = new Set<string>()
  const open = () =>
    new CopyExpiry(folder, clock, {
      inUse: (topic, partition) => used.has(`${topic}/${partition}`),
      remove: async (_topic, _partition, path) => rmSync(path, { recursive: true }),
    })
  return {
    folder,
    clock,
    used,
    open,
    /** A copy that was used last so long ago. */
    add(name: string, unusedMs: number): void {
      const path = join(folder, name)
      mkdirSync(path, { recursive: true })
      writeFileSync(join(path, '00000000000000000000.log'), 'records')
      writeFileSync(join(path, META), '{}')
      const seconds = (clock.now() - unusedMs) / 1000
      utimesSync(join(path, META), seconds, seconds)
    },
    has: (name: string) => existsSync(join(folder, name, META)),
  }
}

test('what was not used for a day is deleted, and nothing else', async t => {
  const { add, clock, folder, has, open } = begin(t)
  add('a.changelog/0', UNUSED_MS - LOOK_MS)
  add('a.changelog/1', UNUSED_MS + 1)
  add('b.changelog/12', 30 * UNUSED_MS)
  add('b.changelog/mine', 30 * UNUSED_MS)
  writeFileSync(join(folder, 'note'), '')
  const expiry = open()
  await expiry.look()
  assert.ok(has('a.changelog/1'), 'tasks have had no time to come yet')
  clock.advance(LOOK_MS)
  await expiry.look()
  assert.deepEqual(['a.changelog/0', 'a.changelog/1', 'b.changelog/12', 'b.changelog/mine'].map(has), [
    true,
    false,
    false,
    true,
  ])
  assert.ok(existsSync(join(folder, 'note')))
  clock.advance(LOOK_MS)
  await expiry.look()
  assert.ok(!has('a.changelog/0'))
})

test('a copy in use is never deleted, and its day begins at the end of the use', async t => {
  const { add, clock, has, open, used } = begin(t)
  add('a.changelog/0', 30 * UNUSED_MS)
  used.add('a.changelog/0')
  const expiry = open()
  for (let i = 0; i < 5; i++) {
    clock.advance(UNUSED_MS * 2)
    await expiry.look()
    assert.ok(has('a.changelog/0'))
  }
  clock.advance(LOOK_MS / 2)
  await expiry.close()
  used.clear()
  const next = open()
  clock.advance(UNUSED_MS)
  await next.look()
  assert.ok(has('a.changelog/0'))
  clock.advance(LOOK_MS)
  await next.look()
  assert.ok(!has('a.changelog/0'))
})

test('a copy whose making was cut off is deleted too, and a folder that is gone does no harm', async t => {
  const { clock, folder, open } = begin(t)
  mkdirSync(join(folder, 'a.changelog/0'), { recursive: true })
  utimesSync(join(folder, 'a.changelog/0'), START / 1000 - 100, (START - 2 * UNUSED_MS) / 1000)
  const expiry = open()
  clock.advance(LOOK_MS)
  await expiry.look()
  assert.ok(!existsSync(join(folder, 'a.changelog/0')))
  rmSync(folder, { recursive: true })
  clock.advance(LOOK_MS)
  await expiry.look()
  await expiry.close()
  assert.ok(!existsSync(folder))
})
