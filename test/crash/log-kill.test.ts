/**
 * A process that writes is killed at random moments, again and again. Whatever it was told is committed has to be there
 * afterwards, units have to be whole, and the store has to open at once.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { openLog } from '../../src/log/host.ts'
import { readAll } from '../contract/log-data.ts'

const ROUNDS = 20
const PROGRAM = new URL('./programs/log-writer.ts', import.meta.url).pathname

/** Runs the writer until it has told of `after` commits, kills it, and returns the last unit it was told of. */
async function runAndKill(path: string, durability: string, first: number, after: number): Promise<number> {
  const child = spawn(process.execPath, [PROGRAM, path, durability, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let rest = ''
  let told = first - 1
  child.stdout.on('data', (data: Buffer) => {
    const lines = (rest + data.toString()).split('\n')
    rest = lines.pop()!
    if (lines.length > 0) told = Number(lines.at(-1))
    if (told >= first - 1 + after) child.kill('SIGKILL')
  })
  const [code, signal] = await new Promise<[number | null, string | null]>(resolve => {
    child.once('close', (...end) => resolve(end))
  })
  assert.deepEqual([code, signal], [null, 'SIGKILL'])
  return told
}

for (const durability of ['process', 'disk'] as const) {
  it(`everything acknowledged survives kill -9, durability ${durability}`, async () => {
    const path = mkdtempSync(join(tmpdir(), 'aldebaran-kill-'))
    try {
      let next = 0
      for (let round = 0; round < ROUNDS / 2; round++) {
        // The number of commits differs from round to round, and so does the moment within a commit.
        const told = await runAndKill(path, durability, next, 1 + ((round * 37) % 90))
        const host = await openLog({ path, durability, maxBytes: 256 * 1024 * 1024 })
        const log = host.client()
        const left = readAll(log.reader('left', 0, 'earliest'))
        const right = readAll(log.reader('right', 0, 'earliest'))
        assert.ok(left.length > told, `${left.length} units are there, and unit ${told} was acknowledged`)
        assert.deepEqual(
          left.map(line => line.slice(0, 60)),
          left.map((_, i) => `${i}:unit ${i} `.padEnd(60, '.').slice(0, 60)),
        )
        assert.deepEqual(right, left)
        assert.equal(log.position('writer', 'left', 0)?.offset, left.length)
        assert.equal(String(log.tableGet('units', Buffer.from('last'))), String(left.length - 1))
        next = left.length
        await host.close()
      }
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  })
}
