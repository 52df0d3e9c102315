import fc from 'fast-check'
import type { PlainBatch, PlainHeader } from './plain-batch.ts'

/** Three records, with and without key, value and header, the last one older than the first. */
export const SMALL: PlainBatch = {
  baseOffset: 50n,
  lastOffsetDelta: 2,
  attributes: 0,
  baseTimestamp: 1_700_000_000_000n,
  maxTimestamp: 1_700_000_000_100n,
  producerId: -1n,
  producerEpoch: -1,
  baseSequence: -1,
  records: [
    { timestamp: 1_700_000_000_000n, offset: 50n, key: Buffer.from('a'), value: Buffer.from('first'), headers: [] },
    {
      timestamp: 1_700_000_000_100n,
      offset: 51n,
      key: null,
      value: null,
      headers: [{ key: 'h', value: Buffer.from('1') }],
    },
    { timestamp: 1_699_999_999_000n, offset: 52n, key: Buffer.from(''), value: Buffer.from(''), headers: [] },
  ],
}

const anyBytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map(array => Buffer.from(array))

/** Mostly short, at times of a size whose varint is longer. */
export const anyBlob: fc.Arbitrary<Buffer | null> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 8, arbitrary: anyBytes(20) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(63, 64, 65, 127, 128, 8191, 8192, 20_000).map(size => Buffer.alloc(size, 7)),
  },
)

export const anyHeaders: fc.Arbitrary<PlainHeader[]> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<PlainHeader[]>([]) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 8 }), value: anyBlob }, { noNullPrototype: true }),
      {
        maxLength: 4,
      },
    ),
  },
  { weight: 1, arbitrary: fc.constant([...Array(70)].map((_, index) => ({ key: `h${index}`, value: null }))) },
)

/** Times around one another, and times at the ends of what fits. */
export const anyTimestamp: fc.Arbitrary<number> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_020_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 0, 1, 2 ** 31, 2 ** 52, -(2 ** 51)) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 52 }) },
)

/** Batches as a broker may keep them: any base offset, gaps between offsets, each codec, each flag. */
export const anyBatch: fc.Arbitrary<PlainBatch> = fc
  .record({
    baseOffset: fc.oneof(fc.nat(1_000_000), fc.integer({ min: 0, max: 2 ** 53 - 1000 })),
    records: fc.array(
      fc.record({
        timestamp: anyTimestamp,
        gap: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) }),
        key: anyBlob,
        value: anyBlob,
        headers: anyHeaders,
      }),
      { maxLength: 12 },
    ),
    tail: fc.nat(3),
    codec: fc.nat(4),
    logAppendTime: fc.boolean(),
    flags: fc.constantFrom(0, 0x10, 0x20, 0x30),
    producerId: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
    producerEpoch: fc.integer({ min: -1, max: 32767 }),
    baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  })
  .map(drawn => {
    const timestamps = drawn.records.map(record => BigInt(record.timestamp))
    const newest = Math.max(...drawn.records.map(record => record.timestamp))
    const maxTimestamp = drawn.records.length === 0 ? -1n : BigInt(newest)
    let delta = -1
    const records = drawn.records.map(({ gap, key, value, headers }, index) => {
      delta += 1 + gap
      const timestamp = drawn.logAppendTime ? maxTimestamp : timestamps[index]!
      return { timestamp, offset: BigInt(drawn.baseOffset + delta), key, value, headers }
    })
    return {
      baseOffset: BigInt(drawn.baseOffset),
      lastOffsetDelta: Math.max(delta, 0) + drawn.tail,
      attributes: (records.length > 0 ? drawn.codec : 0) | drawn.flags | (drawn.logAppendTime ? 8 : 0),
      baseTimestamp: timestamps[0] ?? 0n,
      maxTimestamp,
      producerId: drawn.producerId,
      producerEpoch: drawn.producerEpoch,
      baseSequence: drawn.baseSequence,
      records,
    }
  })
