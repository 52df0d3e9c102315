/** Java's transactions as our readers see them: what was committed, all of it, in order, and nothing else. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Log } from '../../../src/log/contract.ts'
import { SeededRandom } from '../../../src/testing/random.ts'
import { freshName, type Interop, openHost, plain, readPartition, textOf, untilCommitted } from './interop.ts'
import type { JavaProducer } from './java-peer.ts'

/** What should be read: `offset:value`, of one partition. */
type Expected = string[]

export function describeTransactions({ java, bootstrap }: Interop): void {
  const withLog = async (body: (log: Log, topic: string) => Promise<void>) => {
    const host = await openHost(bootstrap)
    try {
      await body(host.client(), freshName())
    } finally {
      await host.close()
    }
  }
  const transactional = (name: string, more: Record<string, string> = {}): Promise<JavaProducer> =>
    java.producer(name, { 'transactional.id': name, 'linger.ms': '0', ...more })

  /** Sends one record each, so that each is a batch of its own; their `offset:value`. */
  const sendEach = async (
    producer: JavaProducer,
    topic: string,
    partition: number,
    values: string[],
  ): Promise<Expected> => {
    const sent: Expected = []
    for (const value of values) {
      const [offset] = await producer.send(topic, partition, [plain(value)])
      sent.push(`${offset}:${value}`)
    }
    return sent
  }

  /** Once everything up to `end` is decided, ours and Java's reader get exactly this, and get to the end. */
  const assertRead = async (
    log: Log,
    topic: string,
    partition: number,
    expected: Expected,
    end: number,
  ): Promise<void> => {
    // Markers are written after a transaction's end was answered.
    await untilCommitted(log, topic, partition, end)
    const theirs = await java.consume(topic, partition, 'read_committed')
    assert.deepEqual([described(theirs.records), theirs.position], [expected, end])
    for (const maxBytes of [1, 5000, 1 << 20]) {
      const ours = readPartition(log, topic, partition, maxBytes)
      assert.deepEqual(described(ours.records), expected)
      assert.deepEqual([ours.position, ours.end], [end, end])
    }
  }

  describe("Java's transactions", () => {
    test('several aborted ones of one producer, among committed ones and plain records', () =>
      withLog(async (log, topic) => {
        await java.createTopic(topic, 1)
        const producer = await transactional(topic)
        const other = await java.producer(`${topic}-plain`)
        const expected: Expected = []
        for (const [i, ends] of ['abort', 'abort', 'commit', 'abort', 'commit', 'abort'].entries()) {
          await producer.begin()
          const sent = await sendEach(producer, topic, 0, [`${i}a`, `${i}b`])
          const between = await sendEach(other, topic, 0, [`plain ${i}`])
          sent.push(...(await sendEach(producer, topic, 0, [`${i}c`])))
          if (ends === 'commit') {
            await producer.commit()
            expected.push(...sent)
          } else await producer.abort()
          expected.push(...between)
        }
        await assertRead(log, topic, 0, inOrder(expected), 6 * 5)
      }))

    test('nothing but an aborted transaction: there is no record, and the end is reached', () =>
      withLog(async (log, topic) => {
        await java.createTopic(topic, 1)
        const producer = await transactional(topic)
        await producer.begin()
        await sendEach(producer, topic, 0, ['a', 'b'])
        await producer.abort()
        await assertRead(log, topic, 0, [], 3)
        const reader = log.reader(topic, 0, 1)
        while (reader.position < 3) {
          assert.equal(reader.poll(1000), false)
          if (reader.position < 3) log.wait(1000)
        }
      }))

    test('a marker that lies answers beyond what it aborts', () =>
      withLog(async (log, topic) => {
        await java.createTopic(topic, 1, { 'max.message.bytes': '2000000' })
        const aborting = await transactional(`${topic}-a`, { 'batch.size': '1', 'max.request.size': '2000000' })
        const committing = await transactional(`${topic}-b`, { 'batch.size': '1', 'max.request.size': '2000000' })
        const expected: Expected = []
        await aborting.begin()
        await committing.begin()
        // Several times what one answer holds, of each.
        for (let i = 0; i < 40; i++) {
          const value = `${i}${'.'.repeat(100_000)}`
          await aborting.send(topic, 0, [plain(`aborted ${value}`)])
          if (i % 2 === 0) expected.push(...(await sendEach(committing, topic, 0, [value])))
        }
        await committing.commit()
        expected.push(...(await sendEach(await java.producer(`${topic}-c`), topic, 0, ['plain'])))
        await aborting.abort()
        // The same producer again: what it commits now is wanted.
        await aborting.begin()
        expected.push(...(await sendEach(aborting, topic, 0, ['committed after it aborted'])))
        await aborting.commit()
        await assertRead(log, topic, 0, expected, 40 + 20 + 1 + 1 + 1 + 2)
      }))

    test('an open one holds back what comes after it until it ends', () =>
      withLog(async (log, topic) => {
        await java.createTopic(topic, 1)
        const [first, second] = [await transactional(`${topic}-a`), await transactional(`${topic}-b`)]
        const other = await java.producer(`${topic}-plain`)
        const reader = log.reader(topic, 0, 'earliest')
        const before = await sendEach(other, topic, 0, ['before'])
        await first.begin()
        const open = await sendEach(first, topic, 0, ['open'])
        const after = await sendEach(other, topic, 0, ['after'])
        await second.begin()
        const committed = await sendEach(second, topic, 0, ['committed behind it'])
        await second.commit()
        const readTo = async (position: number): Promise<void> => {
          while (reader.position < position) if (!reader.poll(1000)) await log.changed(1000)
        }
        await readTo(1)
        assert.deepEqual(described(readPartition(log, topic, 0).records), before)
        assert.deepEqual(
          [log.partition(topic, 0).end, reader.poll(1000), reader.position, reader.end()],
          [1, false, 1, 1],
        )
        await first.commit()
        await readTo(6)
        await assertRead(log, topic, 0, [...before, ...open, ...after, ...committed], 6)
      }))

    for (const seed of [1, 2, 3]) {
      test(`any order of what five producers do on two partitions (${seed})`, () =>
        withLog(async (log, topic) => {
          const random = new SeededRandom(seed)
          await java.createTopic(topic, 2)
          const producers = await Promise.all(
            [0, 1, 2, 3].map(async i => ({
              producer: await transactional(`${topic}-${i}`),
              open: false,
              sent: [] as Expected[],
            })),
          )
          const other = await java.producer(`${topic}-plain`)
          const expected: Expected[] = [[], []]
          // Of each partition: its records, and a marker for each transaction that wrote to it.
          const ends = [0, 0]
          const send = async (producer: JavaProducer, partition: number, value: string): Promise<Expected> => {
            ends[partition]!++
            return await sendEach(producer, topic, partition, [value])
          }
          const end = async (one: (typeof producers)[number], committed: boolean): Promise<void> => {
            one.open = false
            await (committed ? one.producer.commit() : one.producer.abort())
            for (const partition of [0, 1]) {
              const sent = one.sent[partition]!
              if (sent.length > 0) ends[partition]!++
              if (committed) expected[partition]!.push(...sent)
            }
          }
          for (let step = 0; step < 150; step++) {
            const partition = random.below(2)
            const one = producers[random.below(5)]
            if (one === undefined) expected[partition]!.push(...(await send(other, partition, `plain ${step}`)))
            else if (!one.open) {
              await one.producer.begin()
              one.open = true
              one.sent = [[], []]
            } else if (random.below(4) > 0) {
              one.sent[partition]!.push(...(await send(one.producer, partition, `record ${step}`)))
            } else await end(one, random.below(2) === 0)
          }
          for (const one of producers) if (one.open) await end(one, random.below(2) === 0)
          for (const partition of [0, 1]) {
            await assertRead(log, topic, partition, inOrder(expected[partition]!), ends[partition]!)
          }
        }))
    }
  })
}

function described(records: readonly { offset: number; value: string | null }[]): string[] {
  return records.map(record => `${record.offset}:${textOf(record)}`)
}

function inOrder(expected: Expected): Expected {
  return [...expected].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
}
