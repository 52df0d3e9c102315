/** Of the conformance suite of `src/log/contract.ts`: topics: made, listed, compacted, deleted. */
import assert from 'node:assert/strict'
import { append, batchOf, keyedBatch, readAll, withCode } from './log-data.ts'
import type { LogSuite } from './log-session.ts'

export function testTopics(suite: LogSuite): void {
  const { test } = suite
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

  // When Kafka compacts a topic is its own affair.
  const testLocal = suite.driver.remote === true ? () => {} : test
  testLocal('keeps the last record of each key of a compacted topic, at its offset', async (log, session) => {
    await log.createTopic('t', { partitions: 1, compacted: true })
    assert.equal(log.topic('t')?.compacted, true)
    const now = Date.now()
    const follower = log.reader('t', 0, 'earliest')
    const batches = Array.from({ length: 20 }, (_, i) => keyedBatch([['a', `a${i}`]], now))
    await log.commit({ appends: batches.map(batch => ({ topic: 't', partition: 0, batch })) })
    // It may have been compacted already.
    assert.equal(readAll(follower, 1).at(-1), '19:a19')
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
}
