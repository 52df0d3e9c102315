/** Applications that are killed, told to stop, or whose threads die: what was committed stays, the rest is done once. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isCorrect } from '../../bench/crash-check.ts'
import { crashRun } from '../../bench/crash-run.ts'
import { leftIn, MortalProcess, numbers } from './mortal-process.ts'

const NEVER_LOADS = new URL('./programs/never-loads.ts', import.meta.url)

let folder = ''
let store = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-mortal-'))
  store = join(folder, 'store')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the program, and kills it should the test fail. */
async function using(process: MortalProcess, test: (process: MortalProcess) => Promise<void>): Promise<void> {
  try {
    await test(process)
  } finally {
    await process.kill()
  }
}

describe('kill -9', () => {
  const kinds = [
    { durability: 'process', kills: 10, seed: 11 },
    { durability: 'disk', kills: 3, seed: 12 },
  ] as const
  for (const { durability, kills, seed } of kinds) {
    it(`${kills} times under load loses nothing and does nothing twice, durability ${durability}`, async () => {
      const { verdict, messages, restored } = await crashRun({ folder, kills, workers: 2, durability, seed })
      assert.ok(isCorrect(verdict), JSON.stringify(verdict))
      assert.ok(messages > 0 && verdict.alerts > 0 && verdict.books > 0)
      assert.ok(restored > 0)
    })
  }
})

describe('SIGTERM', () => {
  it('finishes what is at hand, commits, and ends with code 0; the next start does none of it again', async () => {
    await using(new MortalProcess(store, 20_000), async process => {
      await process.until('works')
      process.signal('SIGTERM')
      assert.equal(await process.end(), 0, process.errors)
      const left = await leftIn(store)
      assert.equal((await process.until('ends')).processed, left.processed)
      assert.equal(new Set(left.done).size, left.processed)
      assert.equal(left.done.length, left.processed)
      await using(new MortalProcess(store), async next => {
        await next.until('ready')
        await next.ask([{ n: left.sent }])
        await next.ask('settle')
        next.signal('SIGTERM')
        assert.equal(await next.end(), 0, next.errors)
        assert.equal((await next.until('ends')).processed, left.sent + 1 - left.processed)
      })
      assert.deepEqual((await leftIn(store)).done, numbers(left.sent + 1))
    })
  })

  it('while the application starts ends it with code 0 as soon as that can be', async () => {
    await using(new MortalProcess(store), async process => {
      await process.until('starts')
      process.signal('SIGTERM')
      assert.equal(await process.end(), 0, process.errors)
      assert.deepEqual([process.errors, process.said('ready')], ['', false])
    })
  })

  it('ends a process whose workers never finish loading', async () => {
    await using(new MortalProcess(store, 0, NEVER_LOADS), async process => {
      await process.until('a worker loads')
      process.signal('SIGTERM')
      assert.equal(await process.end(), 0, process.errors)
    })
  })

  it('twice ends the process at once, and what was not committed is done by the next one', async () => {
    const gate = join(folder, 'gate')
    await using(new MortalProcess(store), async process => {
      await process.until('ready')
      await process.ask([{ n: 0, fate: 'waits for file', file: gate }, { n: 1 }])
      await process.until('waits')
      process.signal('SIGTERM')
      await process.until('stops')
      process.signal('SIGTERM')
      assert.equal(await process.end(), 143, process.errors)
    })
    writeFileSync(gate, '')
    await using(new MortalProcess(store), async process => {
      await process.until('ready')
      await process.ask('settle')
      process.signal('SIGTERM')
      assert.equal(await process.end(), 0, process.errors)
    })
    assert.deepEqual((await leftIn(store)).done, [0, 1])
  })
})

describe('a worker thread that dies', () => {
  const fates = ['exits', 'throws later', 'needs too much memory'] as const
  for (const fate of fates) {
    it(`as it ${fate} is started again and goes on from its last commit`, async () => {
      const flags = fate === 'needs too much memory' ? ['--max-old-space-size=48'] : []
      await using(new MortalProcess(store, 0, undefined, flags), async process => {
        await process.until('ready')
        const orders = numbers(400).map(n => ({ n }))
        await process.ask([...orders.slice(0, 200), { n: 200, fate, file: join(folder, 'died') }, ...orders.slice(201)])
        await process.ask(orders.map(({ n }) => ({ n: n + 400 })))
        await process.ask('see a restart')
        await process.ask('settle')
        process.signal('SIGTERM')
        assert.equal(await process.end(), 0, process.errors)
        assert.match(process.errors, /a worker thread ended; it is started again/)
        // Whoever ends gives back what was charged: of the thread that died nothing is left either.
        assert.ok((await process.until('stops')).charged! > 0)
        const { charged, used } = await process.until('ends')
        assert.equal(charged, 0)
        assert.ok(Math.abs(used!) <= 2 * 1024, `${used} bytes in use`)
      })
      const left = await leftIn(store)
      assert.deepEqual(left, { sent: 800, processed: 800, done: numbers(800), counted: true })
    })
  }
})

describe('a log thread that dies', () => {
  it('ends the process with code 1 and says why; the next one goes on', async () => {
    await using(new MortalProcess(store), async process => {
      await process.until('ready')
      await process.ask(numbers(100).map(n => ({ n })))
      await process.ask('break the log')
      assert.equal(await process.end(), 1)
      assert.match(process.errors, /'mortal' ends: The log thread ended/)
    })
    await using(new MortalProcess(store), async process => {
      await process.until('ready')
      await process.ask('settle')
      process.signal('SIGTERM')
      assert.equal(await process.end(), 0, process.errors)
    })
    assert.deepEqual((await leftIn(store)).done, numbers(100))
  })
})
