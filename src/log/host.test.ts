import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { batchOf, readAll, withCode } from '../../test/contract/log-data.ts'
import type { AldebaranError } from '../errors.ts'
import { connectLog, wakeClient } from './client.ts'
import type { Log } from './contract.ts'
import { openLog, storeFile } from './host.ts'
import { FORMAT_KEY } from './keys.ts'
import { LmdbStore } from './lmdb-store.ts'
import { SLOT_HEADER, SUBMITTED } from './mailbox.ts'
import { DELETE_TOPIC } from './unit-sender.ts'

let path = ''
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'aldebaran-host-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

const MB = 1024 * 1024
const small = { durability: 'process', maxBytes: 64 * MB } as const

async function append(log: Log, topic: string, texts: string[], partition = 0): Promise<number> {
  return (await log.commit({ appends: [{ topic, partition, batch: batchOf(texts) }] })).offsets[0]!
}

async function makeStore(): Promise<void> {
  const host = await openLog({ path, ...small })
  const log = host.client()
  await log.createTopic('t', { partitions: 1 })
  for (let i = 0; i < 50; i++) await append(log, 't', ['x'.repeat(10_000)])
  await host.close()
}

describe('opening', () => {
  it('refuses a folder that holds something else', async () => {
    writeFileSync(join(path, 'letter.txt'), 'dear')
    await assert.rejects(openLog({ path }), withCode('STORE_FOREIGN'))
    await assert.rejects(openLog({ path: join(path, 'letter.txt') }), withCode('STORE_FOREIGN'))
  })

  it('refuses an LMDB file of another program', async () => {
    const other = new LmdbStore({ file: storeFile(path), durability: 'process', mapBytes: MB })
    other.exclusive(() => other.write(Buffer.from('hello'), Buffer.from('world')))
    await other.close()
    await assert.rejects(openLog({ path }), withCode('STORE_FOREIGN'))
    await assert.rejects(openLog({ path, readOnly: true }), withCode('STORE_FOREIGN'))
  })

  it('refuses a store of a newer format', async () => {
    await makeStore()
    const store = new LmdbStore({ file: storeFile(path), durability: 'process', mapBytes: MB })
    store.exclusive(() => store.write(FORMAT_KEY, Buffer.from('{"format":2}')))
    await store.close()
    await assert.rejects(openLog({ path }), withCode('STORE_NEWER'))
  })

  const damages: [string, (file: string) => void][] = [
    ['truncated to nothing', file => truncateSync(file, 0)],
    ['truncated within the header', file => truncateSync(file, 100)],
    ['truncated to its meta pages', file => truncateSync(file, 8192)],
    ['truncated by half', file => truncateSync(file, Math.floor(statSync(file).size / 2))],
    ['all zeros', file => writeFileSync(file, Buffer.alloc(statSync(file).size))],
    ['text', file => writeFileSync(file, 'this is no store\n'.repeat(10_000))],
    [
      'with a meta page overwritten',
      file => {
        const bytes = readFileSync(file)
        bytes.fill(0xaa, 4096, 8192)
        writeFileSync(file, bytes)
      },
    ],
  ]
  for (const [what, damage] of damages) {
    it(`says that a data file is damaged that is ${what}`, async () => {
      await makeStore()
      damage(storeFile(path))
      await assert.rejects(openLog({ path, ...small }), withCode('STORE_DAMAGED'))
      await assert.rejects(openLog({ path, readOnly: true }), withCode('STORE_DAMAGED'))
    })
  }

  it('refuses a folder and a file that may not be written', async () => {
    await makeStore()
    chmodSync(path, 0o555)
    chmodSync(storeFile(path), 0o444)
    try {
      // The superuser may write anything, so the check runs as nobody where it has to.
      const script = `
        const { openLog } = await import(${JSON.stringify(new URL('./host.ts', import.meta.url).href)})
        console.log(await openLog({ path: ${JSON.stringify(path)} }).then(() => 'opened', error => error.code))`
      const identity = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
      const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        ...identity,
      })
      assert.equal(child.stdout.trim(), 'STORE_UNWRITABLE', child.stderr)
    } finally {
      chmodSync(path, 0o755)
    }
  })

  it('refuses a second writer, in the same process too, and names the owner', async () => {
    const host = await openLog({ path, ...small })
    await assert.rejects(openLog({ path, ...small }), (error: Error) => {
      assert.match(error.message, new RegExp(`process ${process.pid} on `))
      return withCode('STORE_LOCKED')(error)
    })
    await host.close()
    const again = await openLog({ path, ...small })
    await again.close()
  })

  it('takes options that make sense only', async () => {
    await assert.rejects(openLog({ path, maxBytes: 5 }), withCode('OPTION_INVALID'))
    await assert.rejects(openLog({ path: join(path, 'none'), readOnly: true }), withCode('OPTION_INVALID'))
  })

  it('gives an address to one client only', async () => {
    const host = await openLog({ path, ...small })
    const address = host.address()
    connectLog(address)
    assert.throws(() => connectLog(address), withCode('OPTION_INVALID'))
    await host.release(address)
    await host.close()
  })
})

describe('a reader', () => {
  it('names topic, partition and offset of a damaged batch, after giving what is before it', async () => {
    await makeStore()
    const file = storeFile(path)
    const bytes = readFileSync(file)
    const marked = bytes.indexOf('x'.repeat(5000), 40_000)
    bytes[marked + 2500]! ^= 1
    writeFileSync(file, bytes)
    const host = await openLog({ path, ...small })
    const reader = host.client().reader('t', 0, 'earliest')
    assert.throws(
      () => {
        while (reader.poll(MB));
      },
      error => {
        const { details } = error as { details: Record<string, unknown> }
        assert.deepEqual([details.topic, details.partition, details.offset], ['t', 0, reader.position])
        return withCode('BATCH_CORRUPT')(error)
      },
    )
    await host.close()
  })
})

describe('the store file', () => {
  it('keeps its size while retention makes room for what is appended', async () => {
    const host = await openLog({ path, durability: 'process', maxBytes: 32 * MB })
    const log = host.client()
    await log.createTopic('t', { partitions: 3, retentionBytes: 4 * MB })
    for (let i = 0; i < 600; i++) await append(log, 't', ['z'.repeat(20_000 + ((i * 7919) % 200_000))], i % 3)
    const { size } = statSync(storeFile(path))
    assert.ok(size < 24 * MB, `${size}`)
    assert.ok(log.partition('t', 0).bytes <= 4 * MB + 300_000)
    await host.close()
  })

  it('stays within the budget, and takes appends again after a trim', async () => {
    const host = await openLog({ path, durability: 'process', maxBytes: 8 * MB })
    const log = host.client()
    await log.createTopic('t', { partitions: 1 })
    const fill = async (): Promise<void> => {
      for (;;) await append(log, 't', ['f'.repeat(100_000)])
    }
    await assert.rejects(fill(), withCode('STORE_FULL'))
    assert.ok(statSync(storeFile(path)).size <= 8 * MB)
    const { end } = log.partition('t', 0)
    await log.commit({ trims: [{ topic: 't', partition: 0, before: end }] })
    for (let i = 0; i < 20; i++) await append(log, 't', ['f'.repeat(100_000)])
    assert.equal(log.partition('t', 0).end, end + 20)
    await host.close()
  })
})

describe('threads', () => {
  it('write and read at once: everyone sees everything once and in order', async () => {
    const host = await openLog({ path, ...small })
    const log = host.client()
    const threads = 3
    const units = 400
    await log.createTopic('t', { partitions: threads })
    const workers = Array.from({ length: threads }, (_, number) => {
      const url = new URL('./test/write-and-read.ts', import.meta.url)
      const worker = new Worker(url, { workerData: { address: host.address(), number, threads, units } })
      return new Promise<string[][]>((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
    })
    const expected = Array.from({ length: threads }, (_, partition) =>
      Array.from({ length: units }, (_, unit) => `${partition}.${unit}`),
    )
    for (const seen of await Promise.all(workers)) assert.deepEqual(seen, expected)
    assert.deepEqual(
      expected.map((_, partition) => readAll(log.reader('t', partition, 'earliest')).length),
      [units, units, units],
    )
    await host.close()
  })
})

describe('a second process', () => {
  it('reads along, is told of growth and new topics, and may not write', async () => {
    const host = await openLog({ path, ...small })
    const log = host.client()
    await log.createTopic('t', { partitions: 1 })
    await append(log, 't', ['before'])
    const url = new URL('./test/follow.ts', import.meta.url)
    const child = spawn(process.execPath, [url.pathname, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines: string[] = []
    const waiting: (() => void)[] = []
    let rest = ''
    child.stdout.on('data', (data: Buffer) => {
      const parts = (rest + data.toString()).split('\n')
      rest = parts.pop()!
      lines.push(...parts)
      for (const told of waiting.splice(0)) told()
    })
    const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
    const line = async (): Promise<string> => {
      while (lines.length === 0) {
        assert.equal(child.exitCode, null)
        await Promise.race([new Promise<void>(resolve => waiting.push(resolve)), exited])
      }
      return lines.shift()!
    }
    assert.equal(await line(), '0:before')
    assert.equal(await line(), 'LOG_READ_ONLY')
    for (let i = 1; i <= 20; i++) {
      await append(log, 't', [`text ${i}`])
      assert.equal(await line(), `${i}:text ${i}`)
    }
    await log.createTopic('end', { partitions: 1 })
    await append(log, 'end', ['x'])
    assert.equal(await line(), 'ended')
    await exited
    assert.equal(child.exitCode, 0)
    await host.close()
  })
})

describe('an open log', () => {
  it('does not keep the process alive once it is closed', async () => {
    const script = `
      const { openLog } = await import(${JSON.stringify(new URL('./host.ts', import.meta.url).href)})
      const host = await openLog({ path: ${JSON.stringify(path)}, durability: 'process' })
      const log = host.client()
      await log.createTopic('t', { partitions: 1 })
      void log.changed(600000)
      await host.close()
      console.log('closed')`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.deepEqual([child.stdout.trim(), child.status], ['closed', 0], child.stderr)
  })

  it('refuses units once it is closed', async () => {
    const host = await openLog({ path, ...small })
    const log = host.client()
    await host.close()
    const told: unknown[] = []
    log.submit({}, error => told.push((error as AldebaranError).code))
    log.pump()
    assert.deepEqual(told, ['LOG_CLOSED'])
    assert.equal(await host.stopped, null)
  })

  it('tells every client when its thread has ended with an error, and opens again', async () => {
    const host = await openLog({ path, ...small })
    const log = host.client()
    await log.createTopic('t', { partitions: 1 })
    await append(log, 't', ['kept'])
    // A request that no client makes: the thread cannot go on with what it does not understand.
    const address = host.address()
    const arena = Buffer.from(address.mailbox.arena, 0, 64)
    arena.writeInt32LE(DELETE_TOPIC, 0)
    arena.writeInt32LE(4, 8)
    arena.write('{no}', SLOT_HEADER)
    Atomics.store(new Int32Array(address.mailbox.words), SUBMITTED, 1)
    wakeClient(address)
    const lost = append(log, 't', ['lost'])
    await assert.rejects(lost, withCode('LOG_STOPPED'))
    await assert.rejects(append(log, 't', ['refused']), withCode('LOG_STOPPED'))
    assert.equal((await host.stopped)?.code, 'LOG_STOPPED')
    await host.close()
    const again = await openLog({ path, ...small })
    assert.equal(again.client().partition('t', 0).start, 0)
    await again.close()
  })
})
