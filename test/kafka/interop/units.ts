/** Our units as Java's consumers see them: each as a whole or not at all, and not at all when it failed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AldebaranError } from '../../../src/errors.ts'
import type { CommitUnit, Log } from '../../../src/log/contract.ts'
import type { KafkaHost } from '../../../src/log/kafka/host.ts'
import {
  batchOfRecords,
  freshName,
  type Interop,
  openHost,
  plain,
  readPartition,
  textOf,
  untilCommitted,
} from './interop.ts'

const PARTITIONS = [0, 1, 2]

export function describeUnits({ java, bootstrap }: Interop): void {
  const withHost = async (body: (host: KafkaHost, log: Log, topic: string) => Promise<void>) => {
    const host = await openHost(bootstrap)
    const log = host.client()
    const topic = freshName()
    try {
      await log.createTopic(topic, { partitions: PARTITIONS.length })
      await body(host, log, topic)
    } finally {
      await host.close()
    }
  }
  const append = (topic: string, partition: number, value: string) => ({
    topic,
    partition,
    batch: batchOfRecords([plain(value)]),
  })
  /** A unit that appends its name to every partition. */
  const everywhere = (topic: string, name: string): CommitUnit => ({
    appends: PARTITIONS.map(partition => append(topic, partition, name)),
  })
  /** Commits a unit everywhere, and waits until it is seen: so is what was committed before it. */
  const commitLast = async (log: Log, topic: string, name: string): Promise<void> => {
    const { offsets } = await log.commit(everywhere(topic, name))
    for (const partition of PARTITIONS) await untilCommitted(log, topic, partition, offsets[partition]! + 1)
  }
  const seenByJava = async (topic: string, isolation: 'read_committed' | 'read_uncommitted'): Promise<string[][]> => {
    const seen: string[][] = []
    for (const partition of PARTITIONS) {
      seen.push((await java.consume(topic, partition, isolation)).records.map(textOf))
    }
    return seen
  }

  describe('our units', () => {
    test('many at once: Java sees all of each, in their order', () =>
      withHost(async (_, log, topic) => {
        const names = Array.from({ length: 300 }, (_, i) => `unit ${i}`)
        await Promise.all(names.map(name => log.commit(everywhere(topic, name))))
        await commitLast(log, topic, 'last')
        names.push('last')
        assert.deepEqual(await seenByJava(topic, 'read_committed'), [names, names, names])
      }))

    test('one that fails at one of its partitions is not seen at the others, nor are those behind it', () =>
      withHost(async (_, log, topic) => {
        const narrow = freshName()
        await java.createTopic(narrow, 1, { 'max.message.bytes': '500' })
        const good: string[] = []
        for (let i = 0; i < 5; i++) {
          const failing = everywhere(topic, `failing ${i}`)
          const units = [
            everywhere(topic, `good ${i}`),
            { appends: [...failing.appends!, append(narrow, 0, 'x'.repeat(1000))] },
            everywhere(topic, `behind ${i}`),
          ]
          const outcomes = await Promise.allSettled(units.map(unit => log.commit(unit)))
          const codes = outcomes.map(one => (one.status === 'fulfilled' ? 'ok' : codeOf(one.reason as AldebaranError)))
          assert.deepEqual(codes, ['ok', 'BATCH_TOO_LARGE', 'LOG_STOPPED'])
          good.push(`good ${i}`)
        }
        await commitLast(log, topic, 'last')
        good.push('last')
        assert.deepEqual(await seenByJava(topic, 'read_committed'), [good, good, good])
        for (const partition of PARTITIONS) {
          const { records, position, end } = readPartition(log, topic, partition)
          assert.deepEqual(records.map(textOf), good)
          assert.equal(position, end)
        }
        // They were there, and were aborted.
        const all = await seenByJava(topic, 'read_uncommitted')
        assert.ok(all.every(values => values.some(value => value.startsWith('failing'))))
      }))

    test('fenced while they are under way: what was not committed is not seen', () =>
      withHost(async (host, log, topic) => {
        const outcomes = new Map<string, string>()
        let fencing = true
        const submitUntilFenced = async (): Promise<void> => {
          while (fencing) {
            const name = `unit ${outcomes.size}`
            outcomes.set(name, 'under way')
            outcomes.set(name, await log.commit(everywhere(topic, name)).then(() => 'ok', codeOf))
          }
        }
        const submitting = Array.from({ length: 4 }, submitUntilFenced)
        const isAborted = async (): Promise<boolean> => {
          const [all, committed] = [
            await seenByJava(topic, 'read_uncommitted'),
            await seenByJava(topic, 'read_committed'),
          ]
          return all.flat().some(name => !committed[0]!.includes(name))
        }
        for (let round = 0; round < 2 || !(await isAborted()); round++) {
          await java.fence(host.transactionalIds('client-0'))
        }
        fencing = false
        await Promise.all(submitting)
        await commitLast(log, topic, 'last')
        outcomes.set('last', 'ok')

        const expected = ['ok', 'FENCED', 'LOG_STOPPED', 'COMMIT_UNKNOWN']
        assert.deepEqual(
          [...new Set(outcomes.values())].filter(code => !expected.includes(code)),
          [],
        )
        const [first, ...others] = await seenByJava(topic, 'read_committed')
        for (const other of others) assert.deepEqual(other, first)
        const known = first!.filter(name => outcomes.get(name) !== 'COMMIT_UNKNOWN')
        assert.deepEqual(
          known,
          [...outcomes.keys()].filter(name => outcomes.get(name) === 'ok'),
        )
      }))

    test('what somebody left open under our transactional ids is aborted by our next unit', () =>
      withHost(async (host, log, topic) => {
        const lost = await Promise.all(
          host
            .transactionalIds('client-0')
            .map(id => java.producer(id, { 'transactional.id': id, 'transaction.timeout.ms': '600000' })),
        )
        for (const producer of lost) {
          await producer.begin()
          for (const partition of PARTITIONS) await producer.send(topic, partition, [plain('lost')])
        }
        await commitLast(log, topic, 'kept')
        for (const producer of lost) await assert.rejects(producer.commit(), /Fenced|InvalidProducerEpoch/)
        assert.deepEqual(await seenByJava(topic, 'read_committed'), [['kept'], ['kept'], ['kept']])
        assert.deepEqual(readPartition(log, topic, 2).records.map(textOf), ['kept'])
      }))
  })
}

function codeOf(error: AldebaranError): string {
  return error.code
}
