/**
 * What readers get of fetched answers, against a model of a partition: a log of transactions of which the broker knows how
 * each ended, and that it hands out in answers of any size.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { AldebaranError } from '../../errors.ts'
import { BatchCursor } from '../../record/batch-cursor.ts'
import { baseOffsetOf, setBaseOffset } from '../../record/batch-header.ts'
import { BatchWriter } from '../../record/batch-writer.ts'
import { controlBatch } from '../../record/control-batch.ts'
import { type AbortedTransaction, committedRuns } from './committed.ts'

const PRODUCERS = 4
const TIME = 1_700_000_000_000

/** What producers do, in the order in which the partition gets it. */
type Step =
  | { kind: 'plain'; records: number; idempotent: boolean }
  | { kind: 'send'; producer: number; records: number; compressed: boolean }
  | { kind: 'end'; producer: number; committed: boolean }
  | { kind: 'gap'; offsets: number }

interface Aborted extends AbortedTransaction {
  /** Of its marker. */
  lastOffset: number
}

interface Partition {
  /** In offset order. */
  batches: Buffer[]
  aborted: Aborted[]
  /** Offsets of the records that a committed reader has to get. */
  committed: number[]
  /** Everything before it is decided. */
  lastStable: number
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('plain' as const), records: count(), idempotent: fc.boolean() }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('send' as const),
        producer: fc.nat(PRODUCERS - 1),
        records: count(),
        compressed: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('end' as const),
        producer: fc.nat(PRODUCERS - 1),
        committed: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('gap' as const), offsets: fc.integer({ min: 1, max: 5 }) }) },
  ),
  { maxLength: 60 },
)

function count(): fc.Arbitrary<number> {
  return fc.integer({ min: 1, max: 4 })
}

/** Writes what the producers do as a broker would. Transactions that are open at the end are decided by nobody. */
function partitionOf(all: readonly Step[]): Partition {
  const partition: Partition = { batches: [], aborted: [], committed: [], lastStable: 0 }
  const open = new Map<number, number[]>()
  let end = 0
  const add = (batch: Buffer, records: number): number[] => {
    setBaseOffset(batch, 0, end)
    partition.batches.push(batch)
    end += records
    return Array.from({ length: records }, (_, i) => end - records + i)
  }
  for (const step of all) {
    // What compaction took away.
    if (step.kind === 'gap') end += step.offsets
    else if (step.kind === 'plain') {
      const id = step.idempotent ? 100n : -1n
      partition.committed.push(...add(batchOf(step.records, id, false, false), step.records))
    } else if (step.kind === 'send') {
      const batch = batchOf(step.records, BigInt(step.producer), true, step.compressed)
      open.set(step.producer, [...(open.get(step.producer) ?? []), ...add(batch, step.records)])
    } else {
      // A transaction that only wrote elsewhere leaves its marker here, too, when its partition was added to it.
      const records = open.get(step.producer) ?? []
      const type = step.committed ? 'commit' : 'abort'
      const marker = controlBatch({ type, producerId: BigInt(step.producer), producerEpoch: 0, timestamp: TIME })
      const [lastOffset] = add(marker, 1)
      open.delete(step.producer)
      if (step.committed) partition.committed.push(...records)
      else if (records.length > 0) {
        partition.aborted.push({ producerId: step.producer, firstOffset: records[0]!, lastOffset: lastOffset! })
      }
    }
  }
  partition.lastStable = Math.min(end, ...[...open.values()].map(([first]) => first!))
  partition.committed = partition.committed.filter(offset => offset < partition.lastStable).sort((a, b) => a - b)
  return partition
}

function batchOf(records: number, producerId: bigint, transactional: boolean, compressed: boolean): Buffer {
  const writer = new BatchWriter({ compression: compressed ? 'gzip' : 'none', initialBytes: 512 })
  writer.setProducer(producerId, producerId < 0n ? -1 : 0, producerId < 0n ? -1 : 0, transactional)
  const value = Buffer.alloc(100)
  for (let i = 0; i < records; i++) writer.append(TIME, null, 0, 0, value, 0, value.length)
  return Buffer.from(writer.finish())
}

interface Answer {
  bytes: Buffer
  aborted: Aborted[]
}

/** What a broker answers: at least one whole batch, the last one perhaps cut, and the transactions that touch it. */
function answerOf(partition: Partition, from: number, maxBytes: number, generous: boolean): Answer {
  const first = partition.batches.findIndex(batch => endOf(batch) > from)
  const there =
    first < 0 ? [] : partition.batches.slice(first).filter(batch => baseOffsetOf(batch, 0) < partition.lastStable)
  const all = Buffer.concat(there)
  const bytes = all.subarray(0, Math.max(maxBytes, there[0]?.length ?? 0))
  // Those that reach into what was asked for, and begin before what follows the answer, or some time after it.
  let next = from
  for (let i = 0, at = 0; i < there.length; i++) {
    at += there[i]!.length
    if (at > bytes.length) break
    next = endOf(there[i]!)
  }
  const touching = partition.aborted.filter(one => one.lastOffset >= from && (generous || one.firstOffset < next))
  return { bytes, aborted: generous ? touching.toReversed() : touching }
}

function endOf(batch: Buffer): number {
  return baseOffsetOf(batch, 0) + batch.readInt32BE(23) + 1
}

/** The offsets of all records in the runs that were asked for. */
function offsetsIn(bytes: Buffer, runs: readonly { start: number; end: number }[], from: number): number[] {
  const offsets: number[] = []
  const cursor = new BatchCursor()
  for (const { start, end } of runs) {
    cursor.reset(bytes, start, end)
    while (cursor.nextBatch()) while (cursor.next()) if (cursor.offset >= from) offsets.push(cursor.offset)
    assert.equal(cursor.batchEnd, end)
  }
  return offsets
}

describe('committedRuns', () => {
  test('gives exactly the committed records, however answers are cut, from wherever one begins', () => {
    fc.assert(
      fc.property(
        steps,
        fc.nat(200),
        fc.array(fc.nat(1500), { minLength: 1 }),
        fc.boolean(),
        (all, begin, sizes, generous) => {
          const partition = partitionOf(all)
          const from = begin % (partition.lastStable + 1)
          const found: number[] = []
          let position = from
          for (let round = 0; ; round++) {
            const { bytes, aborted } = answerOf(partition, position, sizes[round % sizes.length]!, generous)
            if (bytes.length === 0) break
            const { runs, next } = committedRuns(bytes, aborted, position)
            assert.ok(next > position, 'an answer with a whole batch leads on')
            for (const [i, { start, end }] of runs.entries()) {
              assert.ok(start < end)
              assert.ok(i === 0 || runs[i - 1]!.end < start, 'runs that touch are one')
            }
            found.push(...offsetsIn(bytes, runs, position))
            position = next
          }
          assert.deepEqual(
            found,
            partition.committed.filter(offset => offset >= from),
          )
          const last = partition.batches.filter(batch => baseOffsetOf(batch, 0) < partition.lastStable).at(-1)
          assert.equal(position, Math.max(from, last === undefined ? 0 : endOf(last)))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('passes over batches before the offset that was asked for, and knows from their markers who goes on', () => {
    const partition = partitionOf([
      { kind: 'send', producer: 0, records: 1, compressed: false },
      { kind: 'end', producer: 0, committed: false },
      { kind: 'send', producer: 0, records: 2, compressed: false },
      { kind: 'end', producer: 0, committed: true },
    ])
    const bytes = Buffer.concat(partition.batches)
    const { runs, next } = committedRuns(bytes, partition.aborted, 3)
    assert.deepEqual(offsetsIn(bytes, runs, 3), [3])
    assert.equal(next, 5)
  })

  test('is one run over all batches when nothing is left out, and none of an empty answer', () => {
    const bytes = Buffer.concat(partitionOf(Array(5).fill({ kind: 'plain', records: 2, idempotent: true })).batches)
    assert.deepEqual(committedRuns(bytes, null, 0), { runs: [{ start: 0, end: bytes.length }], next: 10 })
    assert.deepEqual(committedRuns(bytes, [], 4).next, 10)
    assert.deepEqual(committedRuns(Buffer.alloc(0), null, 7), { runs: [], next: 7 })
    assert.deepEqual(committedRuns(bytes.subarray(0, 40), null, 0), { runs: [], next: 0 })
  })

  test('gives what lies before a damaged batch, and throws when it is the first', () => {
    const { batches } = partitionOf(Array(3).fill({ kind: 'plain', records: 1, idempotent: false }))
    const bytes = Buffer.concat(batches)
    const second = batches[0]!.length
    bytes[second + 80]! ^= 1
    assert.deepEqual(committedRuns(bytes, null, 0), { runs: [{ start: 0, end: second }], next: 1 })
    assert.throws(
      () => committedRuns(bytes.subarray(second), null, 1),
      error => error instanceof AldebaranError && error.code === 'BATCH_CORRUPT' && error.details.offset === 1,
    )
  })
})
