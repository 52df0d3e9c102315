/**
 * The conformance suite of `src/log/contract.ts`: what every engine has to do, as a function of a driver.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AldebaranError, ErrorCode } from '../../src/errors.ts'
import type { CommitResult, Log, PartitionReader } from '../../src/log/contract.ts'
import { BatchCursor } from '../../src/record/batch-cursor.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { LENGTH, RECORD_COUNT } from '../../src/record/layout.ts'

export interface LogSession {
  /** A further client of the same log. */
  client(): Log
  /** Closes everything and opens the same data again. */
  reopen(): Promise<LogSession>
  /** Closes everything and removes the data. */
  end(): Promise<void>
  /** Does what the log does now and then by itself, where nothing else makes it. */
  maintain?(): void
}

export interface LogDriver {
  name: string
  /** A server holds the log: readers read ahead, what is trimmed is deleted later, and batches carry its marks. */
  remote?: boolean
  open(): Promise<LogSession>
}

const writer = new BatchWriter()

/** A batch of one record per text, with times from `time` on, one ms apart. */
export function batchOf(texts: readonly string[], time = 1000): Buffer {
  writer.begin()
  texts.forEach((text, index) => {
    const bytes = Buffer.from(text)
    writer.append(time + index, null, 0, 0, bytes, 0, bytes.length)
  })
  return Buffer.from(writer.finish())
}

/** A batch of records with keys; a value of null deletes the key. */
export function keyedBatch(entries: readonly (readonly [key: string, value: string | null])[], time: number): Buffer {
  writer.begin()
  for (const [key, value] of entries) {
    const keyBytes = Buffer.from(key)
    const valueBytes = value === null ? null : Buffer.from(value)
    const start = valueBytes === null ? -1 : 0
    writer.append(time, keyBytes, 0, keyBytes.length, valueBytes, start, valueBytes?.length ?? 0)
  }
  return Buffer.from(writer.finish())
}

/** Everything a reader has to give, as "offset:text". */
export function readAll(reader: PartitionReader, maxBytes = 1 << 20): string[] {
  const found: string[] = []
  const cursor = new BatchCursor()
  while (reader.poll(maxBytes)) {
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (cursor.next()) {
        if (cursor.offset < reader.from) continue
        found.push(`${cursor.offset}:${cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueEnd)}`)
      }
    }
  }
  return found
}

export function withCode(code: ErrorCode): (error: unknown) => boolean {
  return error => {
    assert.equal((error as AldebaranError).code, code, String(error))
    return true
  }
}

/** Waits for what the log promises to tell, until `ready` says so. */
export async function until(log: Log, ready: () => boolean): Promise<void> {
  while (!ready()) await log.changed(1000)
}

export function describeLog(driver: LogDriver): void {
  describe(`log contract: ${driver.name}`, () => {
    const test = (name: string, body: (log: Log, session: LogSession) => Promise<void>): void => {
      it(name, async () => {
        const session = await driver.open()
        try {
          await body(session.client(), session)
        } finally {
          await session.end()
        }
      })
    }
    const append = (log: Log, topic: string, partition: number, batch: Uint8Array): Promise<CommitResult> =>
      log.commit({ appends: [{ topic, partition, batch }] })

    test('a survey tells what is told one by one, and opens the same readers', async log => {
      await log.createTopic('t', { partitions: 3, retentionMs: 60_000 })
      await log.createTopic('u', { partitions: 1, internal: true })
      await log.commit({
        appends: [
          { topic: 't', partition: 1, batch: batchOf(['a', 'b']) },
          { topic: 'u', partition: 0, batch: batchOf(['c']) },
        ],
        positions: [
          { group: 'g', topic: 't', partition: 1, offset: 2, metadata: 'm' },
          { group: 'h', topic: 'u', partition: 0, offset: 1, metadata: '' },
        ],
      })
      const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)
      assert.deepEqual((await log.listTopics()).sort(byName), log.topics({ internal: true }).sort(byName))
      const partitions = await log.partitionsOf(['t', 'u', 'nothing'])
      assert.deepEqual([...partitions.keys()].sort(), ['t', 'u'])
      for (const [topic, infos] of partitions) {
        assert.deepEqual(
          infos,
          infos.map((_, partition) => log.partition(topic, partition)),
        )
      }
      assert.equal(partitions.get('t')!.length, 3)
      assert.deepEqual(await log.positionsOf(['g']), log.positions('g'))
      assert.deepEqual(await log.positionsOf(['nobody']), [])
      const all = new Set((await log.positionsOf(null)).map(one => one.group))
      assert.ok(all.has('g') && all.has('h'))
      const reader = await log.openReader('t', 1, 1)
      assert.deepEqual(readAll(reader), ['1:b'])
      await assert.rejects(log.openReader('t', 1, 99), withCode('OFFSET_OUT_OF_RANGE'))
      await assert.rejects(log.openReader('nothing', 0, 'earliest'), withCode('TOPIC_UNKNOWN'))
    })

    test('numbers records from 0 and one by one', async log => {
      await log.createTopic('t', { partitions: 2 })
      assert.deepEqual((await append(log, 't', 0, batchOf(['a', 'b']))).offsets, [0])
      const unit = {
        appends: [
          { topic: 't', partition: 0, batch: batchOf(['c']) },
          { topic: 't', partition: 1, batch: batchOf(['d']) },
          { topic: 't', partition: 0, batch: batchOf(['e']) },
        ],
      }
      assert.deepEqual((await log.commit(unit)).offsets, [2, 0, 3])
      assert.deepEqual(readAll(log.reader('t', 0, 'earliest')), ['0:a', '1:b', '2:c', '3:e'])
      assert.deepEqual(readAll(log.reader('t', 1, 'earliest')), ['0:d'])
    })

    test('gives batches as they were written but for the base offset', async log => {
      await log.createTopic('t', { partitions: 1 })
      const batch = batchOf(['x', 'y'], 77)
      await append(log, 't', 0, batchOf(['w']))
      await append(log, 't', 0, batch)
      const reader = log.reader('t', 0, 1)
      assert.equal(reader.poll(1), true)
      assert.equal(reader.size, batch.length)
      const unchanged = driver.remote === true ? RECORD_COUNT : LENGTH
      assert.deepEqual(reader.chunk.subarray(unchanged, reader.size), batch.subarray(unchanged))
      assert.equal(reader.chunk.readBigInt64BE(0), 1n)
      assert.equal(reader.poll(1), false)
    })

    test('puts as many whole batches into a chunk as fit, and at least one', async log => {
      await log.createTopic('t', { partitions: 1 })
      const size = batchOf(['0']).length
      for (let i = 0; i < 5; i++) await append(log, 't', 0, batchOf([String(i)]))
      const reader = log.reader('t', 0, 'earliest')
      assert.equal(reader.poll(1), true)
      assert.deepEqual([reader.size, reader.from, reader.position], [size, 0, 1])
      assert.equal(reader.poll(size * 3 + 5), true)
      assert.deepEqual([reader.size, reader.from, reader.position], [size * 3, 1, 4])
      assert.equal(reader.poll(1 << 20), true)
      assert.deepEqual([reader.size, reader.from, reader.position], [size, 4, 5])
      assert.equal(reader.poll(1 << 20), false)
      assert.equal(reader.position, 5)
    })

    test('seeks into the middle of a batch', async log => {
      await log.createTopic('t', { partitions: 1 })
      await append(log, 't', 0, batchOf(['a', 'b', 'c']))
      await append(log, 't', 0, batchOf(['d', 'e']))
      const reader = log.reader('t', 0, 1)
      assert.deepEqual(readAll(reader), ['1:b', '2:c', '3:d', '4:e'])
      reader.seek(4)
      assert.deepEqual(readAll(reader), ['4:e'])
      reader.seek('earliest')
      assert.equal(readAll(reader).length, 5)
      reader.seek('latest')
      assert.equal(reader.position, 5)
      assert.deepEqual(readAll(reader), [])
    })

    test('refuses to seek outside the partition', async log => {
      await log.createTopic('t', { partitions: 1 })
      await append(log, 't', 0, batchOf(['a', 'b', 'c']))
      await log.commit({ trims: [{ topic: 't', partition: 0, before: 1 }] })
      for (const offset of [0, 4, -1, 1.5]) {
        assert.throws(() => log.reader('t', 0, offset), withCode('OFFSET_OUT_OF_RANGE'))
      }
      assert.equal(log.reader('t', 0, 3).position, 3)
    })

    test('seeks to a time', async log => {
      await log.createTopic('t', { partitions: 1 })
      await append(log, 't', 0, batchOf(['a', 'b'], 100))
      await append(log, 't', 0, batchOf(['c', 'd'], 200))
      await append(log, 't', 0, batchOf(['late'], 150))
      await append(log, 't', 0, batchOf(['e'], 300))
      const reader = log.reader('t', 0, 'earliest')
      const at = (ms: number): number => {
        reader.seekToTime(ms)
        return reader.position
      }
      const found = [0, 100, 101, 102, 200, 201, 202, 300, 301].map(at)
      // The batch of the first record of that time, or that record.
      assert.deepEqual(found, driver.remote === true ? [0, 0, 1, 2, 2, 3, 5, 5, 6] : [0, 0, 0, 2, 2, 2, 5, 5, 6])
    })

    test('trims, and readers before the start are told', async log => {
      await log.createTopic('t', { partitions: 1 })
      for (const text of ['a', 'b', 'c']) await append(log, 't', 0, batchOf([text, text]))
      const behind = log.reader('t', 0, 0)
      const { bytes } = log.partition('t', 0)
      await log.commit({ trims: [{ topic: 't', partition: 0, before: 3 }] })
      const info = log.partition('t', 0)
      assert.deepEqual([info.start, info.end], [3, 6])
      if (driver.remote !== true) {
        assert.ok(info.bytes < bytes)
        assert.throws(() => behind.poll(1000), withCode('OFFSET_OUT_OF_RANGE'))
      }
      assert.throws(() => log.reader('t', 0, 2), withCode('OFFSET_OUT_OF_RANGE'))
      assert.deepEqual(readAll(log.reader('t', 0, 'earliest')), ['3:b', '4:c', '5:c'])
      await log.commit({ trims: [{ topic: 't', partition: 0, before: 2 }] })
      assert.equal(log.partition('t', 0).start, 3)
      await log.commit({ trims: [{ topic: 't', partition: 0, before: 6 }] })
      assert.deepEqual(log.partition('t', 0), { start: 6, end: 6, bytes: 0 })
      const refused = log.commit({ trims: [{ topic: 't', partition: 0, before: 7 }] })
      await assert.rejects(refused, withCode('OFFSET_OUT_OF_RANGE'))
      assert.deepEqual((await append(log, 't', 0, batchOf(['d']))).offsets, [6])
    })

    test('keeps positions with their metadata', async log => {
      await log.createTopic('t', { partitions: 2 })
      const position = { group: 'g', topic: 't', partition: 1, offset: 5, metadata: 'zeit=ü' }
      assert.equal(log.position('g', 't', 1), undefined)
      await log.commit({ positions: [position, { ...position, group: 'g2', partition: 0 }] })
      assert.deepEqual(log.position('g', 't', 1), position)
      await log.commit({ positions: [{ ...position, offset: 2 ** 40, metadata: '' }] })
      assert.equal(log.position('g', 't', 1)?.offset, 2 ** 40)
      assert.deepEqual(
        log.positions('g').map(found => found.partition),
        [1],
      )
      assert.deepEqual(
        log.positions().map(found => found.group),
        ['g', 'g2'],
      )
    })

    test('keeps rows of disk tables apart and in order', async log => {
      if (!log.capabilities.tables) {
        const write = { table: 'a', key: Buffer.from('k'), value: Buffer.from('v') }
        return await assert.rejects(log.commit({ tables: [write] }), withCode('OPTION_INVALID'))
      }
      const row = (table: string, key: string, value: string | null) => ({
        table,
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
      })
      await log.commit({
        tables: [row('a', 'k2', 'two'), row('a', 'k1', 'one'), row('ab', 'k1', 'other'), row('a', '', '')],
      })
      assert.equal(String(log.tableGet('a', Buffer.from('k1'))), 'one')
      assert.equal(log.tableGet('a', Buffer.from(''))?.length, 0)
      assert.equal(log.tableGet('a', Buffer.from('k3')), undefined)
      const entries = (...bounds: [Uint8Array?, Uint8Array?, number?]): string[] =>
        [...log.tableRange('a', ...bounds)].map(([key, value]) => `${key}=${value}`)
      assert.deepEqual(entries(), ['=', 'k1=one', 'k2=two'])
      assert.deepEqual(entries(Buffer.from('k1'), Buffer.from('k2')), ['k1=one'])
      assert.deepEqual(entries(undefined, undefined, 2), ['=', 'k1=one'])
      await log.commit({ tables: [row('a', 'k1', null), row('a', 'k2', 'changed'), row('a', 'none', null)] })
      assert.deepEqual(entries(), ['=', 'k2=changed'])
      const many = Array.from({ length: 1000 }, (_, i) => row('m', String(i).padStart(4, '0'), String(i)))
      await log.commit({ tables: many })
      assert.deepEqual(
        [...log.tableRange('m')].map(([, value]) => Number(value)),
        many.map((_, i) => i),
      )
    })

    test('does all of a unit or nothing, and names what is wrong', async log => {
      await log.createTopic('t', { partitions: 1 })
      const good = { topic: 't', partition: 0, batch: batchOf(['good']) }
      const broken = batchOf(['broken'])
      broken[broken.length - 2]! ^= 1
      const position = { group: 'g', topic: 't', partition: 0, offset: 1, metadata: '' }
      const cases: [ErrorCode, object][] = [
        ['TOPIC_UNKNOWN', { topic: 'no', partition: 0, batch: batchOf(['x']) }],
        ['PARTITION_UNKNOWN', { topic: 't', partition: 1, batch: batchOf(['x']) }],
        ['BATCH_CORRUPT', { topic: 't', partition: 0, batch: broken }],
        ['BATCH_TOO_LARGE', { topic: 't', partition: 0, batch: batchOf(['x'.repeat(5 << 20)]) }],
      ]
      for (const [code, bad] of cases) {
        const unit = { appends: [good, bad as typeof good], positions: [position] }
        await assert.rejects(log.commit(unit), withCode(code))
      }
      assert.deepEqual(log.partition('t', 0), { start: 0, end: 0, bytes: 0 })
      assert.equal(log.position('g', 't', 0), undefined)
      assert.deepEqual((await log.commit({ appends: [good], positions: [position] })).offsets, [0])
    })

    test('fails what a client submitted after a unit that failed, and nobody else', async (log, session) => {
      await log.createTopic('t', { partitions: 1 })
      const other = session.client()
      const told: string[] = []
      const submit = (client: Log, name: string, topic: string): void =>
        client.submit({ appends: [{ topic, partition: 0, batch: batchOf([name]) }] }, error => {
          told.push(`${name} ${error === null ? 'ok' : (error as AldebaranError).code}`)
        })
      submit(log, 'first', 't')
      submit(log, 'wrong', 'no')
      submit(log, 'after', 't')
      submit(other, 'other', 't')
      await until(log, () => {
        log.pump()
        return told.filter(line => !line.startsWith('other')).length === 3
      })
      await until(other, () => {
        other.pump()
        return told.length === 4
      })
      assert.deepEqual(
        told.filter(line => !line.startsWith('other')),
        ['first ok', 'wrong TOPIC_UNKNOWN', 'after LOG_STOPPED'],
      )
      assert.ok(told.includes('other ok'))
      await append(log, 't', 0, batchOf(['again']))
      assert.equal(log.partition('t', 0).end, 3)
    })

    test('copies what is submitted, and tells results in order', async log => {
      await log.createTopic('t', { partitions: 1 })
      const told: number[] = []
      let problem: Error | null = null
      for (let i = 0; i < 3000; i++) {
        const batch = batchOf([String(i)])
        log.submit({ appends: [{ topic: 't', partition: 0, batch }] }, (error, result) => {
          problem ??= error
          told.push(result?.offsets[0] ?? -1)
        })
        batch.fill(0)
      }
      await until(log, () => {
        log.pump()
        return told.length === 3000
      })
      assert.equal(problem, null)
      assert.deepEqual(
        told,
        told.map((_, i) => i),
      )
      assert.deepEqual(readAll(log.reader('t', 0, 2998)), ['2998:2998', '2999:2999'])
    })

    test('takes batches of 4 MB', async log => {
      await log.createTopic('t', { partitions: 1 })
      const text = 'y'.repeat(4 * 1024 * 1024 - 200)
      for (let i = 0; i < 3; i++) await append(log, 't', 0, batchOf([text]))
      const reader = log.reader('t', 0, 'earliest')
      for (let i = 0; i < 3; i++) assert.equal(reader.poll(1000), true)
      assert.equal(reader.position, 3)
      assert.ok(reader.chunk.toString('utf8', 100, reader.size).includes('yyyy'))
    })

    // When Kafka compacts a topic is its own affair.
    const testLocal = driver.remote === true ? () => {} : test
    testLocal('keeps the last record of each key of a compacted topic, at its offset', async (log, session) => {
      await log.createTopic('t', { partitions: 1, compacted: true })
      assert.equal(log.topic('t')?.compacted, true)
      const now = Date.now()
      const follower = log.reader('t', 0, 'earliest')
      for (let i = 0; i < 20; i++) await append(log, 't', 0, keyedBatch([['a', `a${i}`]], now))
      assert.equal(readAll(follower, 1).length, 20)
      const slow = log.reader('t', 0, 'earliest')
      assert.equal(slow.poll(1), true)
      const last = keyedBatch(
        [
          ['b', 'b0'],
          ['a', 'last'],
        ],
        now,
      )
      const base = (await append(log, 't', 0, last)).offsets[0]!
      const all = (): string[] => readAll(log.reader('t', 0, 'earliest'))
      const wanted = [`${base}:b0`, `${base + 1}:last`]
      while (all().length > wanted.length) {
        session.maintain?.()
        await log.changed(50)
      }
      assert.deepEqual(all().slice(-2), wanted)
      assert.deepEqual(readAll(follower), wanted)
      assert.deepEqual(readAll(slow).slice(-2), wanted)
      assert.equal((await append(log, 't', 0, keyedBatch([['c', 'c0']], now))).offsets[0]! > base + 1, true)
    })

    test('creates topics once, lists and deletes them', async log => {
      const options = { partitions: 3, retentionMs: 5000, key: { format: 'text', definition: null } }
      await log.createTopic('b', options)
      await log.createTopic('b', options)
      await log.createTopic('a', { partitions: 1, internal: true })
      assert.deepEqual(log.topic('b'), { name: 'b', ...options })
      assert.deepEqual(
        log.topics().map(topic => topic.name),
        ['b'],
      )
      assert.deepEqual(
        log
          .topics({ internal: true })
          .map(topic => topic.name)
          .sort(),
        ['a', 'b'],
      )
      await append(log, 'b', 0, batchOf(['kept']))
      await log.createTopic('b', { ...options, retentionMs: 9000 })
      assert.deepEqual(log.topic('b'), { name: 'b', ...options, retentionMs: 9000 })
      assert.equal(log.partition('b', 0).end, 1)
      await assert.rejects(log.createTopic('b', { partitions: 4 }), withCode('TOPIC_EXISTS'))
      await assert.rejects(log.createTopic('bad name', { partitions: 1 }), withCode('TOPIC_INVALID'))
      await assert.rejects(log.createTopic('c', { partitions: 0 }), withCode('TOPIC_INVALID'))
      await append(log, 'b', 2, batchOf(['x']))
      await log.commit({ positions: [{ group: 'g', topic: 'b', partition: 2, offset: 1, metadata: '' }] })
      const reader = log.reader('b', 2, 'earliest')
      await log.deleteTopic('b')
      assert.equal(log.topic('b'), undefined)
      assert.throws(() => reader.poll(1000), withCode('TOPIC_UNKNOWN'))
      await assert.rejects(log.deleteTopic('b'), withCode('TOPIC_UNKNOWN'))
      await log.createTopic('b', { partitions: 3 })
      assert.deepEqual(log.partition('b', 2), { start: 0, end: 0, bytes: 0 })
      assert.equal(log.position('g', 'b', 2), undefined)
      assert.throws(() => log.reader('nope', 0, 'latest'), withCode('TOPIC_UNKNOWN'))
      assert.throws(() => log.partition('b', 3), withCode('PARTITION_UNKNOWN'))
    })

    test('wakes who reads a partition when it grows', async (log, session) => {
      await log.createTopic('t', { partitions: 2 })
      const other = session.client()
      const reader = other.reader('t', 1, 'latest')
      const growth = until(other, () => reader.end() > 0)
      await append(log, 't', 1, batchOf(['new']))
      await growth
      assert.deepEqual(readAll(reader), ['0:new'])
    })

    test('wake ends a wait, also one that begins after it', async log => {
      log.wake()
      await log.changed(600_000)
      log.wake()
      log.wait(600_000)
      const stop = new AbortController()
      const waiting = log.changed(600_000, stop.signal)
      stop.abort()
      await waiting
      assert.equal(stop.signal.aborted, true)
    })

    test('has everything after it was opened again', async (log, session) => {
      await log.createTopic('t', { partitions: 2 })
      for (const text of ['a', 'b', 'c']) await append(log, 't', 1, batchOf([text]))
      await log.commit({
        trims: [{ topic: 't', partition: 1, before: 1 }],
        positions: [{ group: 'g', topic: 't', partition: 1, offset: 2, metadata: 'm' }],
        ...(log.capabilities.tables && {
          tables: [{ table: 'x', key: Buffer.from('k'), value: Buffer.from('v') }],
        }),
      })
      const before = log.partition('t', 1)
      const again = (await session.reopen()).client()
      assert.deepEqual(again.partition('t', 1), before)
      assert.deepEqual(readAll(again.reader('t', 1, 'earliest')), ['1:b', '2:c'])
      assert.equal(again.position('g', 't', 1)?.metadata, 'm')
      if (log.capabilities.tables) assert.equal(String(again.tableGet('x', Buffer.from('k'))), 'v')
      assert.deepEqual((await append(again, 't', 1, batchOf(['d']))).offsets, [3])
    })

    test('refuses everything once it is closed, after finishing what was submitted', async log => {
      await log.createTopic('t', { partitions: 1 })
      let result: CommitResult | null = null
      log.submit({ appends: [{ topic: 't', partition: 0, batch: batchOf(['last']) }] }, (_, told) => {
        result = told
      })
      const reader = log.reader('t', 0, 'earliest')
      await log.close()
      assert.deepEqual(result, { offsets: [0] })
      await assert.rejects(log.commit({}), withCode('LOG_CLOSED'))
      assert.throws(() => log.topics(), withCode('LOG_CLOSED'))
      assert.throws(() => reader.poll(1000), withCode('LOG_CLOSED'))
    })
  })
}
