import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { batchOf, readAll, withCode } from '../../test/contract/log-data.ts'
import { SimulatedCrash, SimulatedStore } from '../testing/simulated-store.ts'
import { VirtualClock } from '../time/clock.ts'
import type { CommitUnit, Log, TopicOptions } from './contract.ts'
import type { Step } from './engine.ts'
import { type InlineLog, inlineLog } from './inline.ts'

function append(topic: string, batch: Uint8Array, partition = 0): CommitUnit {
  return { appends: [{ topic, partition, batch }] }
}

interface Setup {
  store: SimulatedStore
  clock: VirtualClock
  log: InlineLog
  client: Log
}

async function setUp(topic: Omit<TopicOptions, 'partitions'> = {}, maxBytes?: number): Promise<Setup> {
  const store = new SimulatedStore()
  const clock = new VirtualClock(1_000_000)
  const log = inlineLog(store, { clock, durability: 'disk', ...(maxBytes === undefined ? {} : { maxBytes }) })
  const client = log.client()
  await client.createTopic('t', { partitions: 2, ...topic })
  return { store, clock, log, client }
}

describe('retention', () => {
  it('by time deletes batches whose newest record is too old, also all of them', async () => {
    const { clock, log, client } = await setUp({ retentionMs: 5000 })
    await client.commit(append('t', batchOf(['old'], clock.now())))
    clock.advance(3000)
    await client.commit(append('t', batchOf(['new'], clock.now())))
    clock.advance(2000)
    log.maintain()
    assert.deepEqual(readAll(client.reader('t', 0, 'earliest')), ['0:old', '1:new'])
    clock.advance(1000)
    log.maintain()
    assert.deepEqual(readAll(client.reader('t', 0, 'earliest')), ['1:new'])
    clock.advance(60_000)
    log.maintain()
    assert.deepEqual(client.partition('t', 0), { start: 2, end: 2, bytes: 0 })
  })

  it('by bytes keeps the newest batches, and always the last one', async () => {
    const size = batchOf(['00']).length
    const { client } = await setUp({ retentionBytes: size * 3 })
    for (let i = 10; i < 30; i++) await client.commit(append('t', batchOf([String(i)])))
    const info = client.partition('t', 0)
    assert.ok(info.bytes <= size * 4 && info.bytes >= size * 3, String(info.bytes))
    assert.equal(info.end, 20)
    assert.equal(readAll(client.reader('t', 0, 'earliest')).at(-1), '19:29')
    const small = await setUp({ retentionBytes: 1 })
    await small.client.commit(append('t', batchOf(['only'])))
    small.clock.advance(5000)
    small.log.maintain()
    assert.deepEqual(readAll(small.client.reader('t', 0, 'earliest')), ['0:only'])
  })

  it('deletes a large backlog in steps, while the start has moved at once', async () => {
    const { log, client } = await setUp()
    for (let i = 0; i < 700; i++) await client.commit(append('t', batchOf(['x'])))
    await client.commit({ trims: [{ topic: 't', partition: 0, before: 700 }] })
    assert.equal(client.partition('t', 0).start, 700)
    assert.ok(client.partition('t', 0).bytes > 0)
    let steps = 1
    while (log.maintain()) steps++
    assert.equal(client.partition('t', 0).bytes, 0)
    assert.ok(steps >= 3 && steps <= 5, String(steps))
  })

  it('goes on after a restart with what was not deleted yet', async () => {
    const { store, clock, client } = await setUp()
    for (let i = 0; i < 100; i++) await client.commit(append('t', batchOf(['x'])))
    await client.commit({ trims: [{ topic: 't', partition: 0, before: 100 }] })
    const again = inlineLog(store, { clock, durability: 'disk' })
    while (again.maintain());
    assert.equal(again.client().partition('t', 0).bytes, 0)
  })

  it('leaves nothing of a deleted topic', async () => {
    const { store, log, client } = await setUp()
    const before = store.usedBytes()
    await client.createTopic('gone', { partitions: 3 })
    for (let i = 0; i < 400; i++) await client.commit(append('gone', batchOf(['x'.repeat(5000)]), i % 3))
    await client.deleteTopic('gone')
    while (log.maintain());
    assert.equal(store.usedBytes(), before)
  })
})

describe('the budget', () => {
  it('refuses appends with STORE_FULL and takes trims, then appends again', async () => {
    const { log, client } = await setUp({}, 2 * 1024 * 1024)
    const batch = batchOf(['x'.repeat(100_000)])
    const fill = async (): Promise<void> => {
      for (;;) await client.commit(append('t', batch))
    }
    await assert.rejects(fill(), withCode('STORE_FULL'))
    const { end } = client.partition('t', 0)
    assert.ok(end > 10 && end < 21, String(end))
    await assert.rejects(client.commit(append('t', batch)), withCode('STORE_FULL'))
    await client.commit({ positions: [{ group: 'g', topic: 't', partition: 0, offset: 3, metadata: '' }] })
    await client.commit({ trims: [{ topic: 't', partition: 0, before: end - 1 }] })
    while (log.maintain());
    assert.deepEqual((await client.commit(append('t', batch))).offsets, [end])
  })
})

describe('a full disk', () => {
  it('fails what needs room, does what does not, and goes on by itself once there is room', async () => {
    const { store, log, client } = await setUp()
    const batch = batchOf(['x'.repeat(10_000)])
    await client.commit(append('t', batch))
    const before = client.partition('t', 0)
    store.diskBytes = store.usedBytes() + 100
    const other = log.client()
    const results = await Promise.allSettled([
      client.commit(append('t', batchOf(['x'.repeat(30_000)]))),
      other.commit({ trims: [{ topic: 't', partition: 0, before: 1 }] }),
    ])
    const [first, second] = results
    assert.equal(first.status, 'rejected')
    assert.ok(withCode('DISK_FULL')((first as PromiseRejectedResult).reason))
    assert.equal(second.status, 'fulfilled')
    assert.deepEqual(client.partition('t', 0), { start: 1, end: before.end, bytes: 0 })
    store.diskBytes = Number.POSITIVE_INFINITY
    assert.deepEqual((await client.commit(append('t', batch))).offsets, [1])
  })
})

describe('the time index', () => {
  it('finds the first batch that holds a time, also far into a long partition', async () => {
    const { client } = await setUp()
    for (let i = 0; i < 100; i++) await client.commit(append('t', batchOf(['x'.repeat(50_000)], 10_000 + i * 10)))
    await client.commit({ trims: [{ topic: 't', partition: 0, before: 40 }] })
    const reader = client.reader('t', 0, 'earliest')
    const at = (ms: number): number => {
      reader.seekToTime(ms)
      return reader.position
    }
    assert.deepEqual([0, 10_000, 10_400, 10_401, 10_755, 10_990, 10_991].map(at), [40, 40, 40, 41, 76, 99, 100])
  })
})

describe('a crash', () => {
  const steps: Step[] = ['received', 'appended', 'committed', 'published', 'answered']
  for (const step of steps) {
    it(`at the step "${step}" leaves whole units and nothing else`, async () => {
      const store = new SimulatedStore()
      const clock = new VirtualClock()
      let armed = false
      const onStep = (now: Step): void => {
        if (armed && now === step) store.crash()
      }
      const log = inlineLog(store, { clock, durability: 'disk', auto: false, onStep })
      const client = log.client()
      await client.createTopic('t', { partitions: 2 })
      const unit = { appends: [0, 1].map(partition => ({ topic: 't', partition, batch: batchOf(['x']) })) }
      client.submit(unit, () => {})
      log.step()
      armed = true
      client.submit(unit, () => {})
      assert.throws(() => log.step(), SimulatedCrash)
      store.restart('power')
      const again = inlineLog(store, { clock, durability: 'disk' }).client()
      const ends = [0, 1].map(partition => again.partition('t', partition).end)
      const survives = step !== 'received' && step !== 'appended'
      assert.deepEqual(ends, survives ? [2, 2] : [1, 1])
      assert.equal(readAll(again.reader('t', 1, 'earliest')).length, ends[1])
    })
  }
})

type Command =
  | { kind: 'append'; partition: number; records: number; ms: number }
  | { kind: 'pair'; records: number }
  | { kind: 'trim'; partition: number; back: number }
  | { kind: 'wrong' }
  | { kind: 'reopen' }
  | { kind: 'pass'; ms: number }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      partition: fc.nat(1),
      records: fc.integer({ min: 1, max: 9 }),
      ms: fc.nat(500),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pair' as const), records: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('trim' as const), partition: fc.nat(1), back: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'wrong' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(4000) }) },
)

/** What a partition should hold: a list of batches, and where it starts. */
class Model {
  batches: { base: number; records: number; newest: number }[] = []
  start = 0
  end = 0

  append(records: number, time: number): void {
    this.batches.push({ base: this.end, records, newest: time + records - 1 })
    this.end += records
  }

  /** Retention may have gone this far, and must have when `maintain` was run. */
  retainedFrom(now: number, retentionMs: number): number {
    const kept = this.batches.find(
      batch => batch.base + batch.records > this.start && batch.newest >= now - retentionMs,
    )
    return kept === undefined ? this.end : Math.max(this.start, kept.base)
  }
}

describe('the engine', () => {
  it('does what a plain model does, whatever units, trims, times and reopenings come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 60 }), async commands => {
        const store = new SimulatedStore()
        const clock = new VirtualClock(1_000_000)
        const models = [new Model(), new Model()]
        let log = inlineLog(store, { clock, durability: 'disk' })
        let client = log.client()
        await client.createTopic('t', { partitions: 2, retentionMs: 3000 })
        const texts = (records: number, base: number): string[] =>
          Array.from({ length: records }, (_, i) => `r${base + i}`)
        const add = (partition: number, records: number, ms = 0) => {
          const model = models[partition]!
          const time = clock.now() + ms
          const batch = batchOf(texts(records, model.end), time)
          model.append(records, time)
          return { topic: 't', partition, batch }
        }
        for (const command of commands) {
          if (command.kind === 'append') {
            await client.commit({ appends: [add(command.partition, command.records, command.ms)] })
          } else if (command.kind === 'pair') {
            await client.commit({ appends: [add(0, command.records), add(1, command.records), add(0, 1)] })
          } else if (command.kind === 'trim') {
            const model = models[command.partition]!
            const before = Math.max(0, model.end - command.back)
            await client.commit({ trims: [{ topic: 't', partition: command.partition, before }] })
            model.start = Math.max(model.start, before)
          } else if (command.kind === 'wrong') {
            const unit = {
              appends: [
                { topic: 't', partition: 0, batch: batchOf(['no']) },
                { topic: 'u', partition: 0, batch: batchOf(['no']) },
              ],
            }
            await assert.rejects(client.commit(unit), withCode('TOPIC_UNKNOWN'))
          } else if (command.kind === 'pass') {
            clock.advance(command.ms)
          } else {
            log = inlineLog(store, { clock, durability: 'disk' })
            client = log.client()
          }
        }
        clock.advance(1000)
        while (log.maintain());
        for (const [partition, model] of models.entries()) {
          const info = client.partition('t', partition)
          assert.equal(info.end, model.end)
          assert.equal(info.start, model.retainedFrom(clock.now(), 3000))
          const found = readAll(client.reader('t', partition, 'earliest'), 300)
          assert.deepEqual(
            found,
            texts(model.end - info.start, info.start).map((text, i) => `${info.start + i}:${text}`),
          )
          for (const ms of [0, clock.now() - 2000, clock.now()]) {
            const reader = client.reader('t', partition, 'earliest')
            reader.seekToTime(ms)
            const first = model.batches.find(batch => batch.base + batch.records > info.start && batch.newest >= ms)
            assert.equal(reader.position, first === undefined ? model.end : Math.max(first.base, info.start))
          }
        }
      }),
      { numRuns: 150 },
    )
  })
})
