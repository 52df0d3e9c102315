/** Tables of streams and their joins against plain maps, through the runtime on a log in memory. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AldebaranError } from '../../errors.ts'
import { application } from '../../runtime/application.ts'
import { avro } from '../../schema/avro.ts'
import { t } from '../../schema/field-types.ts'
import { json } from '../../schema/json.ts'
import { int32, text } from '../../schema/primitives.ts'
import { drive } from '../../testing/drive.ts'
import { SeededRandom } from '../../testing/random.ts'
import { pipeline } from '../pipeline.ts'
import type { KTable } from '../stream.ts'
import { topic } from '../topic.ts'
import type { JoinKind } from './table-joins.ts'

/** n −1: gone. */
const number = avro('Number', { n: t.int })
const [ones, twos] = ['ones', 'twos'].map(name => topic(name, { key: text(), value: number, partitions: 2 })) as [
  ReturnType<typeof topic<string, { n: number }>>,
  ReturnType<typeof topic<string, { n: number }>>,
]
type Sum = [left: number | null, right: number | null]
type Told = Sum | null
const sums = topic('sums', { key: text(), value: json<Told>(), partitions: 2 })

function refused(code: string, part: RegExp) {
  return (error: unknown) => error instanceof AldebaranError && error.code === code && part.test(error.message)
}

type Numbers = KTable<string, { n: number }, never>

function joining(kind: JoinKind, schemas = [number, number]) {
  const p = pipeline('p')
  const tables = [ones, twos].map((source, i) =>
    p
      .from(source)
      .map(({ n }) => (n < 0 ? null : { n }))
      .toTable(source.name, { value: schemas[i]! }),
  ) as unknown as [Numbers, Numbers]
  const [left, right] = tables
  const sum = (l: { n: number } | null, r: { n: number } | null): Sum => [l?.n ?? null, r?.n ?? null]
  const joined =
    kind === 'inner' ? left.join(right, sum) : kind === 'left' ? left.leftJoin(right, sum) : left.outerJoin(right, sum)
  joined.toStream().to(sums)
  return application('a', { pipelines: [p] })
}

interface Entry {
  n: number
  at: number
}

/** What a change of one side makes of a join; undefined: nothing is told. */
function expected(kind: JoinKind, tables: readonly Map<string, Entry>[], side: number, key: string, entry: Entry) {
  const numberOf = (one: Entry | undefined) => (one === undefined || one.n < 0 ? null : one.n)
  const sides = () => tables.map(table => numberOf(table.get(key))) as Sum
  const has = ([l, r]: Sum) => (kind === 'inner' ? l !== null && r !== null : kind === 'left' ? l !== null : l !== r)
  const known = tables[side]!.get(key)
  if (known !== undefined && entry.at < known.at) return undefined
  const before = sides()
  tables[side]!.set(key, entry)
  if (numberOf(known) === null && entry.n < 0) return undefined
  const other = tables[1 - side]!.get(key)
  const at = Math.max(entry.at, other?.at ?? 0)
  const after = sides()
  if (has(after)) return { value: after, at }
  return has(before) ? { value: null, at } : undefined
}

describe('a join of two tables', () => {
  for (const kind of ['inner', 'left', 'outer'] as const) {
    test(`${kind}: tells each change of a result and no other, out of order, with deletions, over restarts`, async () => {
      let gone = 0
      for (let seed = 1; seed <= 12; seed++) {
        const random = new SeededRandom(seed)
        const driver = await drive(joining(kind), { startMs: 1_000_000 })
        const tables = [new Map<string, Entry>(), new Map<string, Entry>()]
        for (let i = 0; i < 120; i++) {
          if (random.chance(0.05)) driver.restart()
          const side = random.below(2)
          const key = `k${random.below(4)}`
          // Values of the two sides differ, so that the oracle can tell both from none.
          const entry = { n: random.chance(0.3) ? -1 : i * 2 + side, at: 1000 + i - random.below(6) }
          driver.send(side === 0 ? ones : twos, key, { n: entry.n }, entry.at)
          const told = driver.outputs(sums).map(({ value, timestamp }) => ({ value, at: timestamp }))
          const change = expected(kind, tables, side, key, entry)
          assert.deepEqual(told, change === undefined ? [] : [change], `seed ${seed}, change ${i}`)
          if (change?.value === null) gone++
        }
        assert.deepEqual(driver.deadLetters(), [])
        await driver.close()
      }
      assert.ok(gone > 50, `only ${gone} gone`)
    })
  }

  test('of one table with itself is refused, and of tables with other keys or partition counts too', () => {
    const p = pipeline('p')
    const table = p.tableOf(ones)
    assert.throws(() => table.join(table, () => 0), refused('PIPELINE_INVALID', /with itself/))
    const other = p.tableOf(topic('others', { key: int32(), value: number, partitions: 2 }))
    assert.throws(() => table.join(other as never, () => 0), refused('KEYS_DIFFER', /int32/))
    const more = p.tableOf(topic('more', { key: text(), value: number, partitions: 3 }))
    table.join(more, () => 0)
    assert.throws(() => application('a', { pipelines: [p] }), refused('PARTITIONS_DIFFER', /'ones'.*'more'/))
  })
})

describe('a stream and a table', () => {
  test('each value meets the row of now; a change of the table says nothing', async () => {
    const p = pipeline('p')
    const table = p.tableOf(twos)
    const stream = p.from(ones)
    stream.join(table, ({ n }, other): Told => [n, other.n]).to(sums)
    stream.leftJoin(table, ({ n }, other): Told | undefined => (other === null ? [n, null] : undefined)).to(sums)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1_000_000 })
    const results = () => driver.outputs(sums).map(({ value }) => value)
    driver.send(ones, 'k', { n: 1 })
    assert.deepEqual(results(), [[1, null]])
    driver.send(twos, 'k', { n: 10 })
    assert.deepEqual(results(), [])
    driver.send(ones, 'k', { n: 2 })
    driver.restart()
    driver.send(ones, 'k', { n: 3 })
    assert.deepEqual(results(), [
      [2, 10],
      [3, 10],
    ])
  })

  test('a stream meets its own last value, and what follows still sees the value at hand', async () => {
    const p = pipeline('p')
    const stream = p.from(ones)
    const last = topic('last', { key: text(), value: number, partitions: 2 })
    const table = stream.map(value => value)
    const latest = p.from(ones).filter(() => true)
    const kept = latest.toTable('latest', { value: number })
    stream.leftJoin(kept, ({ n }, before): Told => [n, before?.n ?? null]).to(sums)
    table.to(last)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1_000_000 })
    for (const n of [1, 2, 3]) driver.send(ones, 'k', { n })
    assert.deepEqual(
      driver.outputs(sums).map(({ value }) => value),
      [
        [1, null],
        [2, 1],
        [3, 2],
      ],
    )
    assert.deepEqual(
      driver.outputs(last).map(({ value }) => value?.n),
      [1, 2, 3],
    )
  })
})

describe('a table', () => {
  const changes = topic('changes', { key: text(), value: number, partitions: 2, compacted: true })
  const writing = pipeline('writing')
  writing
    .from(ones)
    .map(({ n }) => (n < 0 ? null : { n }))
    .toTable('own', { value: number })
    .to(changes)

  test('writes its changes to a compacted topic, and reads what is deleted there', async () => {
    const reading = pipeline('reading')
    reading
      .tableOf(changes)
      .toStream()
      .map((value): Told => [value?.n ?? null, null])
      .to(sums)
    const driver = await drive(application('a', { pipelines: [writing, reading] }), { startMs: 1_000_000 })
    for (const n of [5, -1, -1, 6]) driver.send(ones, 'k', { n })
    assert.deepEqual(
      driver.outputs(changes).map(({ value }) => value?.n ?? null),
      [5, null, 6],
    )
    assert.deepEqual(
      driver.outputs(sums).map(({ value }) => value?.[0]),
      [5, null, 6],
    )
    assert.deepEqual(driver.deadLetters(), [])
    assert.throws(() => pipeline('q').tableOf(changes).to(ones), refused('PIPELINE_INVALID', /'ones'.*compacted/))
  })

  test('a deletion has the time of its record, also where a function tells that of values, and beside values that throw', async () => {
    const reading = pipeline('reading')
    reading
      .tableOf(changes, 'copy', { timestamp: ({ n }) => n, maxAhead: false })
      .toStream()
      .map((value): Told => {
        if (value?.n === 13) throw new Error('bad luck')
        return [value?.n ?? null, null]
      })
      .to(sums)
    const driver = await drive(application('a', { pipelines: [writing, reading] }), { startMs: 1_000_000 })
    driver.sendAll(
      ones,
      [5, 13, -1].map(n => ['k', { n }]),
    )
    assert.deepEqual(
      driver.outputs(sums).map(({ value, timestamp }) => [value?.[0], timestamp]),
      [
        [5, 5],
        [null, 1_000_000],
      ],
    )
    assert.deepEqual(
      driver.deadLetters().map(({ message }) => message),
      ['bad luck'],
    )
  })

  test('forgets a deletion after a while: until then nothing older brings the key back', async () => {
    const p = pipeline('p')
    p.from(ones)
      .map(({ n }) => (n < 0 ? null : { n }))
      .toTable('own', { value: number, rememberDeletions: '1m' })
      .toStream()
      .map((value): Told => [value?.n ?? null, null])
      .to(sums)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1_000_000 })
    const told = () => driver.outputs(sums).map(({ value }) => value?.[0])
    driver.send(ones, 'k', { n: 1 }, 500)
    driver.send(ones, 'k', { n: -1 }, 600)
    assert.deepEqual(told(), [1, null])
    driver.send(ones, 'k', { n: 2 }, 599)
    driver.advance(59_999)
    assert.equal(driver.rows('p', 'own').length, 1)
    driver.advance(1)
    assert.equal(driver.rows('p', 'own').length, 0)
    driver.send(ones, 'k', { n: 3 }, 599)
    assert.deepEqual(told(), [3])
    driver.send(ones, 'k', { n: -1 }, 700)
    driver.send(ones, 'k', { n: 4 }, 800)
    driver.advance(60_000)
    assert.deepEqual(
      driver.rows('p', 'own').map(({ fields }) => fields.time),
      [800],
    )
  })

  test('the values of a later release are read where fields came with a default, and refused where bytes cannot be', async () => {
    const wide = avro('Number', { n: t.int, more: t.withDefault(t.string, 'none') })
    const named = (fields: object) =>
      avro.parse<{ n: number }>({ type: 'record', name: 'Number', namespace: 'far', ...fields } as never)
    const telling = (schema: typeof number) => {
      const p = pipeline('p')
      const table = p.from(twos).toTable('own', { value: schema })
      p.from(ones)
        .join(table, (_, other): Told => [other.n, (other as { more?: string }).more?.length ?? null])
        .to(sums)
      return application('a', { pipelines: [p] })
    }
    let driver = await drive(telling(number), { startMs: 1_000_000 })
    driver.send(twos, 'k', { n: 7 })
    driver = await driver.upgrade(telling(wide as never))
    driver.send(ones, 'k', { n: 0 })
    assert.deepEqual(
      driver.outputs(sums).map(({ value }) => value),
      [[7, 4]],
    )
    const n = { name: 'n', type: 'int' }
    driver = await drive(telling(named({ fields: [n] }) as never), { startMs: 1_000_000 })
    driver.send(twos, 'k', { n: 8 })
    driver.send(ones, 'k', { n: 0 })
    assert.deepEqual(
      driver.outputs(sums).map(({ value }) => value),
      [[8, null]],
    )
    const more = named({ fields: [n, { name: 'more', type: 'string', default: '' }] })
    await assert.rejects(
      driver.upgrade(telling(more as never)),
      refused('SCHEMA_INCOMPATIBLE', /value: values of one schema/),
    )
  })
})
