/**
 * A disk that is really full. It needs a small file system, which a user namespace gives where the system allows it;
 * the simulated store has the same test everywhere (`src/log/engine.test.ts`).
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

const PROGRAM = new URL('./programs/log-filler.ts', import.meta.url).pathname

function inSmallFileSystem(path: string, command: string): { status: number | null; stdout: string; stderr: string } {
  const script = 'mount -t tmpfs -o size=8m tmpfs "$1" && shift && exec "$@"'
  const run = [
    '-Urm',
    'sh',
    '-c',
    script,
    'sh',
    path,
    ...(command === 'true' ? ['true'] : [process.execPath, command, path]),
  ]
  return spawnSync('unshare', run, { encoding: 'utf8' })
}

describe('a full disk', () => {
  const path = mkdtempSync(join(tmpdir(), 'aldebaran-full-'))
  if (inSmallFileSystem(path, 'true').status === 0) {
    it('refuses appends with DISK_FULL, and takes them again after a trim', () => {
      const { stdout, stderr } = inSmallFileSystem(path, PROGRAM)
      assert.deepEqual(JSON.parse(stdout || '{}'), { refused: 'DISK_FULL', full: true, read: 30 }, stderr)
    })
  }
  after(() => rmSync(path, { recursive: true }))
})
