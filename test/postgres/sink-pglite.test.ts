/** The same sink on PostgreSQL within the process. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import { type Database, pglite } from 'aldebaran/postgres'
import { SinkScene, sinkOf, TABLE } from './sink-scene.ts'

async function query<R extends object>(database: Database, text: string): Promise<R[]> {
  const session = await database.connect('test', () => {})
  try {
    return (await session.query<R>(text)).rows
  } finally {
    await session.close()
  }
}

const COUNT = `SELECT count(*)::int AS rows, count(DISTINCT number)::int AS numbers, coalesce(max(number), -1) AS newest
  FROM measurements`

test('an embedded PostgreSQL is written to as a server is, read beside it, and opened once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-sink-'))
  const path = join(folder, 'postgres')
  const database = pglite(path)
  const sink = () =>
    sinkOf({
      mode: 'append',
      database,
      setup: async ({ query: run }) =>
        void (await run(`${TABLE}; ALTER TABLE measurements ALTER number SET NOT NULL;
        CREATE UNIQUE INDEX IF NOT EXISTS by_number ON measurements (number)`)),
    })
  await using scene = await SinkScene.openIn(folder, sink())
  await scene.send(0, 300, number => (number === 299 ? { number: 5 } : {}))
  const [letter] = await scene.letters(1)
  assert.match(letter!.headers['aldebaran.message']!, /duplicate key/)
  await scene.until(() => scene.state().records === 299)
  assert.deepEqual(await query(database, COUNT), [{ rows: 299, numbers: 299, newest: 298 }])
  await assert.rejects(
    pglite(path).connect('another', () => {}),
    error => error instanceof AldebaranError && error.code === 'STORE_LOCKED',
  )
  // What another one does in a transaction is not seen in between, and fails alone.
  const session = await database.connect('other', () => {})
  await assert.rejects(
    session.transaction(async run => {
      await run("INSERT INTO measurements VALUES ('x', 999, now(), null)")
      await run('SELECT nothing')
    }),
    /nothing/,
  )
  await session.close()
  await scene.running.stop()
  await scene.start(sink())
  await scene.send(1000, 100)
  await scene.until(() => scene.state().records === 100)
  assert.deepEqual(await query(database, COUNT), [{ rows: 399, numbers: 399, newest: 1099 }])
})

test('the process is killed under load, again and again: each record is one row', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-sink-'))
  const program = new URL('./sink-process.ts', import.meta.url).pathname
  for (let round = 0; round < 2; round++) {
    const child = spawn(process.execPath, [program, folder, String(round * 1_000_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    for await (const line of createInterface(child.stdout!)) {
      if ((JSON.parse(line) as { records: number }).records >= 400) break
    }
    child.kill('SIGKILL')
    await exited
  }
  const database = pglite(join(folder, 'postgres'))
  await using scene = await SinkScene.openIn(folder, sinkOf({ mode: 'append', database }))
  await scene.drained()
  const ends = (await scene.running.log.partitionsOf(['measurements'])).get('measurements')!
  const written = ends.reduce((sum, { end }) => sum + end, 0)
  const [counts] = await query<{ rows: number; numbers: number }>(database, COUNT)
  assert.ok(written >= 800)
  assert.equal(counts!.rows, written)
  assert.equal(counts!.numbers, written)
})
