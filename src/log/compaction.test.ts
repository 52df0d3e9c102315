import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BatchCursor } from '../record/batch-cursor.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import type { Compression } from '../record/compression.ts'
import { SimulatedCrash, SimulatedStore } from '../testing/simulated-store.ts'
import { VirtualClock } from '../time/clock.ts'
import type { Log, PartitionReader } from './contract.ts'
import { type InlineLog, inlineLog } from './inline.ts'
import { WriteList } from './key-value.ts'
import { batchKey } from './keys.ts'

interface Record {
  offset: number
  key: string | null
  value: string | null
  timestamp: number
}

type Entry = readonly [key: string | null, value: string | null]

const HOUR = 3_600_000
const writers = new Map<Compression, BatchWriter>()

function keyed(entries: readonly Entry[], time: number, compression: Compression = 'none'): Buffer {
  const writer = writers.get(compression) ?? new BatchWriter({ compression })
  writers.set(compression, writer)
  writer.begin()
  for (const [key, value] of entries) {
    const keyBytes = key === null ? null : Buffer.from(key)
    const valueBytes = value === null ? null : Buffer.from(value)
    const start = valueBytes === null ? -1 : 0
    writer.append(time, keyBytes, 0, keyBytes?.length ?? 0, valueBytes, start, valueBytes?.length ?? 0)
  }
  return Buffer.from(writer.finish())
}

function read(reader: PartitionReader, maxBytes = 1 << 20, polls = Number.POSITIVE_INFINITY): Record[] {
  const found: Record[] = []
  const cursor = new BatchCursor()
  for (let n = 0; n < polls && reader.poll(maxBytes); n++) {
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (cursor.next()) {
        if (cursor.offset < reader.from) continue
        const text = (start: number, end: number) => (start < 0 ? null : cursor.bytes.toString('utf8', start, end))
        found.push({
          offset: cursor.offset,
          key: text(cursor.keyStart, cursor.keyEnd),
          value: text(cursor.valueStart, cursor.valueEnd),
          timestamp: cursor.timestamp,
        })
      }
    }
  }
  return found
}

class World {
  readonly store = new SimulatedStore()
  readonly clock = new VirtualClock(10 * HOUR)
  log: InlineLog = this.#open()
  client: Log = this.log.client()

  #open(): InlineLog {
    return inlineLog(this.store, { clock: this.clock, durability: 'disk' })
  }

  async create(tombstoneMs?: number): Promise<void> {
    const options = { partitions: 1, compacted: true, ...(tombstoneMs === undefined ? {} : { tombstoneMs }) }
    await this.client.createTopic('t', options)
  }

  restart(): void {
    this.store.restart()
    this.log = this.#open()
    this.client = this.log.client()
  }

  async append(entries: readonly Entry[], compression?: Compression): Promise<number> {
    const batch = keyed(entries, this.clock.now(), compression)
    return (await this.client.commit({ appends: [{ topic: 't', partition: 0, batch }] })).offsets[0]!
  }

  /** Lets a pass become due, and does all of it. Returns its steps. */
  compact(): number {
    this.clock.advance(1000)
    let steps = 1
    while (this.log.maintain()) steps++
    return steps
  }

  all(): Record[] {
    return read(this.client.reader('t', 0, 'earliest'))
  }

  texts(): string[] {
    return this.all().map(({ offset, key, value }) => `${offset}:${key}=${value}`)
  }
}

describe('compaction', () => {
  it('keeps the last record of each key at its offset, and the newest batch as it is', async () => {
    const world = new World()
    await world.create()
    const entries: Entry[] = [
      ['a', '1'],
      ['b', '1'],
      [null, 'kept'],
    ]
    await world.append(entries)
    await world.append([['a', '2']])
    await world.append([
      ['c', '1'],
      ['c', '2'],
    ])
    const { bytes } = world.client.partition('t', 0)
    world.compact()
    assert.deepEqual(world.texts(), ['1:b=1', '2:null=kept', '3:a=2', '4:c=1', '5:c=2'])
    const info = world.client.partition('t', 0)
    assert.deepEqual([info.start, info.end], [0, 6])
    assert.ok(info.bytes < bytes)
    assert.equal(await world.append([['d', '1']]), 6)
    world.compact()
    assert.equal(world.texts().length, 6, 'too little came since to be worth a pass')
    const long = 'x'.repeat(1000)
    await world.append([['e', long]])
    world.compact()
    assert.deepEqual(world.texts(), ['1:b=1', '2:null=kept', '3:a=2', '5:c=2', '6:d=1', `7:e=${long}`])
  })

  it('leaves topics alone that are not compacted', async () => {
    const world = new World()
    await world.client.createTopic('t', { partitions: 1 })
    for (const value of ['1', '2', '3']) await world.append([['a', value]])
    world.compact()
    assert.equal(world.all().length, 3)
    await world.create()
    world.compact()
    assert.deepEqual(world.texts(), ['2:a=3'])
  })

  it('joins what became empty, so that a key that is written for ever takes no room for ever', async () => {
    const world = new World()
    await world.create()
    await world.append([['first', 'x']])
    for (let i = 0; i < 1500; i++) await world.append([['a', String(i)]])
    assert.ok(world.compact() > 5, 'it is done in steps')
    assert.deepEqual(world.texts(), ['0:first=x', '1500:a=1499'])
    assert.equal(world.store.range(batchKey(0, 0), batchKey(1, 0), { limit: 5000 }).length, 2)
    const stored = world.store.range(batchKey(0, 0), batchKey(1, 0), { limit: 10 }).map(([, value]) => value.length)
    assert.equal(world.client.partition('t', 0).bytes, stored[0]! + stored[1]!)
    const reader = world.client.reader('t', 0, 700)
    assert.deepEqual(
      read(reader).map(record => record.offset),
      [1500],
    )
    reader.seekToTime(0)
    assert.equal(reader.position, 0)
  })

  it('deletes a null value after its time, and not before', async () => {
    const world = new World()
    await world.create(HOUR)
    await world.append([['a', '1']])
    await world.append([['a', null]])
    await world.append([['b', '1']])
    world.compact()
    assert.deepEqual(world.texts(), ['1:a=null', '2:b=1'])
    world.clock.advance(HOUR)
    world.compact()
    assert.deepEqual(world.texts(), ['2:b=1'])
  })

  it('lets readers go on that stand where a batch was', async () => {
    const world = new World()
    await world.create()
    for (const value of ['1', '2', '3', '4']) await world.append([['a', value]])
    const readers = [1, 2, 3].map(polls => {
      const reader = world.client.reader('t', 0, 'earliest')
      assert.equal(read(reader, 1, polls).length, polls)
      return reader
    })
    world.compact()
    for (const reader of readers) assert.deepEqual(read(reader).at(-1)?.value, '4')
    await world.append([['b', '5']])
    for (const reader of readers) assert.deepEqual(read(reader).at(-1)?.value, '5')
  })

  it('touches nothing behind a damaged batch, and does not try again and again', async () => {
    const world = new World()
    await world.create()
    for (const value of ['1', '2', '3', '4']) await world.append([['a', value]])
    const damaged = Buffer.from(world.store.get(batchKey(0, 2))!)
    damaged[damaged.length - 1]! ^= 1
    const writes = new WriteList()
    writes.put(batchKey(0, 2), damaged)
    world.store.transact(writes)
    world.compact()
    const before = world.store.transactions
    for (let i = 0; i < 5; i++) world.compact()
    assert.equal(world.store.transactions, before)
    assert.deepEqual(read(world.client.reader('t', 0, 3)).at(-1)?.value, '4')
    assert.throws(() => read(world.client.reader('t', 0, 2)), { code: 'BATCH_CORRUPT' })
    await world.client.commit({ trims: [{ topic: 't', partition: 0, before: 3 }] })
    await world.append([['a', '5']])
    world.compact()
    assert.deepEqual(world.texts(), ['4:a=5'])
  })
})

const entry = fc.tuple(
  fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'é'), { freq: 8 }),
  fc.option(fc.constantFrom('x', 'yy', 'z'.repeat(50)), { freq: 3 }),
)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      entries: fc.array(entry, { minLength: 1, maxLength: 5 }),
      compression: fc.constantFrom<Compression[]>('none', 'gzip', 'zstd'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('maintain' as const), ms: fc.constantFrom(0, 1000, HOUR) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), polls: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('trim' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
)

it('whatever is written, trimmed and crashed: each key has its last value, in order, and readers miss none', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const world = new World()
      await world.create(HOUR)
      const written: Record[] = []
      let start = 0
      let newest = 0
      let seen: Record[] = []
      let position = 0
      const readSome = (polls: number): void => {
        if (position < start) {
          position = start
          seen = []
        }
        const reader = world.client.reader('t', 0, position)
        seen.push(...read(reader, 1, polls))
        position = reader.position
        reader.close()
      }
      for (const one of steps) {
        if (one.kind === 'append') {
          newest = await world.append(one.entries, one.compression)
          one.entries.forEach(([key, value], i) => {
            written.push({ offset: newest + i, key, value, timestamp: world.clock.now() })
          })
        } else if (one.kind === 'maintain') {
          world.clock.advance(one.ms)
          world.log.maintain()
        } else if (one.kind === 'read') {
          readSome(one.polls)
        } else if (one.kind === 'trim') {
          start = Math.max(start, Math.floor(written.length * one.share))
          await world.client.commit({ trims: [{ topic: 't', partition: 0, before: start }] })
        } else {
          assert.throws(() => world.store.crash(), SimulatedCrash)
          world.restart()
        }
      }
      world.clock.advance(2 * HOUR)
      world.compact()
      world.compact()
      const wanted = written.filter(record => record.offset >= start)
      const lastOf = (records: readonly Record[]) => {
        const last = new Map(records.map(record => [record.key, record]))
        last.delete(null)
        return new Map([...last].filter(([, record]) => record.value !== null))
      }
      const left = world.all()
      assert.deepEqual(lastOf(left), lastOf(wanted))
      // Nothing is made up or changed, nothing comes twice or out of order, and only what is obsolete is gone.
      const kept = new Set(left.map(record => record.offset))
      assert.deepEqual(
        left,
        wanted.filter(record => kept.has(record.offset)),
      )
      for (const record of wanted) {
        if (!kept.has(record.offset)) assert.ok(record.key !== null && record.offset < newest)
      }
      readSome(Number.POSITIVE_INFINITY)
      const follower = lastOf(seen)
      for (const [key, record] of lastOf(wanted)) assert.deepEqual(follower.get(key), record)
      assert.deepEqual(
        seen.map(record => record.offset),
        [...new Set(seen.map(record => record.offset))].sort((a, b) => a - b),
      )
    }),
    { numRuns: 300 },
  )
})

it('a crash in the middle of a pass changes nothing that can be read', async () => {
  for (const point of ['before', 'during', 'after'] as const) {
    for (let transactions = 0; transactions < 4; transactions++) {
      const world = new World()
      await world.create()
      for (let i = 0; i < 700; i++) await world.append([[`k${i % 7}`, String(i)]])
      world.store.armCrash(point, transactions)
      assert.throws(() => {
        for (;;) world.compact()
      }, SimulatedCrash)
      world.restart()
      world.compact()
      assert.deepEqual(
        world.texts(),
        Array.from({ length: 7 }, (_, i) => 693 + i).map(i => `${i}:k${i % 7}=${i}`),
      )
    }
  }
})
