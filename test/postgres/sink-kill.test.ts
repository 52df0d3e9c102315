/** A process with a pipeline on several workers and a sink is killed again and again: each record is one row. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { subscribe } from 'aldebaran'
import { SeededRandom } from '../../src/testing/random.ts'
import { postgresDatabase } from '../servers/postgres.ts'
import { differencesOf } from './differences.ts'
import { app, sent, squares } from './sink-kill-application.ts'
import { runSquares } from './sink-kill-process.ts'
import { rowsOf } from './sink-scene.ts'

const KILLS = 20
/** Numbers of a process. */
const EACH = 1_000_000
/** Every other process is killed at its so many-th row at the latest, and the others at a time after they began, ms. */
const MOST_ROWS = 600
const LONGEST_MS = 400

test('killed at any moment, 20 times: each record of the log is one row, and the rows are what was sent', async t => {
  const database = await postgresDatabase()
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-sink-kill-'))
  t.after(async () => {
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  })
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = new SeededRandom(seed)
  for (let kill = 0; kill < KILLS; kill++) {
    const program = new URL('./sink-kill-process.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [program, folder, database.url, String(kill * EACH)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    const rows = kill % 2 === 0 ? 1 + random.below(MOST_ROWS) : 0
    for await (const line of createInterface(child.stdout!)) if (Number(line) >= rows) break
    if (rows === 0) await setTimeout(random.below(LONGEST_MS))
    child.kill('SIGKILL')
    assert.deepEqual(await exited, [null, 'SIGKILL'])
  }

  const running = await runSquares(folder, database.url)
  try {
    const written = new Set<number>()
    const inLog: number[] = []
    const stop = new AbortController()
    const options = { from: 'earliest', signal: stop.signal, onCaughtUp: () => stop.abort() } as const
    for await (const { value } of subscribe(running.log, sent, options)) written.add(value!.number)
    for await (const { value } of subscribe(running.log, squares, { from: 'earliest' })) {
      inLog.push(value!.number)
      if (inLog.length >= written.size) break
    }
    assert.ok(written.size >= KILLS)
    assert.deepEqual(differencesOf(inLog, [...written]), [])
    while (running.sources[0]!.state().lag !== 0) await setTimeout(10)
    const rows = await rowsOf<{ number: number; station: string; square: number }>(
      database.url,
      'SELECT number, station, square FROM squares',
    )
    const expected = [...written].map(number => ({ number, station: `station ${number % 10}`, square: number ** 2 }))
    assert.deepEqual(differencesOf(rows, expected), [])
    const ends = (await running.log.partitionsOf([squares.name, app.deadLetters.name])).values()
    const [told, letters] = [...ends].map(partitions => partitions.reduce((sum, { end }) => sum + end, 0))
    assert.deepEqual([told, letters], [written.size, 0])
  } finally {
    await running.stop()
  }
})
