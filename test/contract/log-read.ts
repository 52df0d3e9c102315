/** Of the conformance suite of `src/log/contract.ts`: batches as they were written, read from an offset or a time on; trims. */
import assert from 'node:assert/strict'
import { LENGTH, RECORD_COUNT } from '../../src/record/layout.ts'
import { append, batchOf, readAll, withCode } from './log-data.ts'
import type { LogSuite } from './log-session.ts'

export function testReading({ driver, test }: LogSuite): void {
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

  test('takes batches of 4 MB', async log => {
    await log.createTopic('t', { partitions: 1 })
    const text = 'y'.repeat(4 * 1024 * 1024 - 200)
    for (let i = 0; i < 3; i++) await append(log, 't', 0, batchOf([text]))
    const reader = log.reader('t', 0, 'earliest')
    for (let i = 0; i < 3; i++) assert.equal(reader.poll(1000), true)
    assert.equal(reader.position, 3)
    assert.ok(reader.chunk.toString('utf8', 100, reader.size).includes('yyyy'))
  })
}
