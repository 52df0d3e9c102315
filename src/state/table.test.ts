import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AldebaranError } from '../errors.ts'
import { type Fields, t } from '../schema/field-types.ts'
import { int64, text } from '../schema/primitives.ts'
import type { Schema } from '../schema/schema.ts'
import { checkRowEvolution, rowDefinition } from './evolution.ts'
import { KeyIndex } from './key-index.ts'
import { MemoryBudget, Meter } from './memory-budget.ts'
import { createTable } from './table.ts'
import { keyOf, TestTable, tableOf } from './test-tables.ts'

const longs = int64() as Schema<unknown>
const key = (value: number) => keyOf(longs, value)

/** A key of 53 bits that look random; another one for each 32-bit value. */
function spread(value: number): Buffer {
  return key(
    (Math.imul(value, value * 2 + 0x9e3779b1) >>> 11) * 2 ** 32 + (Math.imul(value ^ 0x5bd1e995, 0x85ebca6b) >>> 0),
  )
}

function failsWith(code: string, message: RegExp, call: () => unknown): void {
  assert.throws(call, error => error instanceof AldebaranError && error.code === code && message.test(error.message))
}

function at(tested: TestTable, value: unknown): Record<string, unknown> & { exists: boolean; delete(): void } {
  const bytes = keyOf(tested.definition.key, value)
  return tested.table.locate(bytes, 0, bytes.length) as never
}

test('a changelog stays under 2.5 times the live rows while all of them are written ten times over', () => {
  const rows = 20_000
  for (const gap of [0, 3]) {
    const tested = new TestTable(tableOf({ count: t.int }, { key: longs }), {}, gap)
    let longest = 0
    for (let write = 0; write < rows * 10; write++) {
      at(tested, (write * 7919) % rows).count = write
      if (write % 1000 !== 999) continue
      tested.collect()
      if (tested.uncommitted > 2) tested.commit()
      if (write >= rows) longest = Math.max(longest, tested.changelogLength)
    }
    tested.commitAll()
    assert.ok(longest < rows * 2.5 * (1 + gap / 2000), `${longest} records`)
    const table = tested.crash()
    assert.equal(table.rows, rows)
    for (let value = 0; value < rows; value++) {
      assert.equal(((at(tested, value).count as number) * 7919) % rows, value)
    }
  }
})

test('a table that was emptied has an empty changelog after a while, and stays empty', () => {
  const tested = new TestTable(tableOf({ count: t.int }, { key: longs }))
  for (let value = 0; value < 20_000; value++) at(tested, value).count = value
  tested.collect()
  tested.commit()
  for (let value = 0; value < 20_000; value++) at(tested, value).delete()
  for (let unit = 0; unit < 3; unit++) {
    at(tested, -1).count = unit
    tested.collect()
    tested.commit()
  }
  assert.ok(tested.changelogLength <= 4096 + 3, `${tested.changelogLength} records`)
  assert.equal(tested.crash().rows, 1)
})

test('a row that is made and deleted in one unit writes nothing', () => {
  const tested = new TestTable(tableOf({ count: t.int }, { key: longs }))
  at(tested, 1).count = 1
  at(tested, 1).delete()
  assert.equal(tested.collect(), 0)
  at(tested, 1).count = 2
  assert.equal(tested.collect(), 1)
  at(tested, 1).delete()
  assert.equal(tested.collect(), 1)
})

test('the arena is compacted when more than half of it is garbage, and no text is lost', () => {
  const tested = new TestTable(tableOf({ title: t.string, note: t.optional(t.string) }))
  const size = 500
  for (let round = 0; round < 100; round++) {
    for (let row = 0; row < size; row++)
      at(tested, `key ${row}`).title = `text ${row} of round ${round}, ${'é'.repeat(row % 7)}`
    if (round % 3 === 0) tested.table.rollback()
    else tested.table.savepoint()
  }
  tested.collect()
  tested.commit()
  // 100 rounds have written 1.5 MB; 500 rows take about 40 kB of it, and as much may be garbage.
  assert.ok(tested.table.bytes < 600_000, `${tested.table.bytes} bytes`)
  for (let row = 0; row < size; row++) {
    assert.equal(at(tested, `key ${row}`).title, `text ${row} of round 98, ${'é'.repeat(row % 7)}`)
  }
})

test('keys are found, deleted and found again while the table grows from nothing to 300 000 rows', () => {
  const tested = new TestTable(tableOf({ count: t.int }, { key: longs }), { seed: 1 })
  const rows = 300_000
  for (let value = 0; value < rows; value++) at(tested, value).count = value
  for (let value = 0; value < rows; value += 2) at(tested, value).delete()
  tested.collect()
  assert.equal(tested.table.rows, rows / 2)
  for (let value = 0; value < rows; value++) {
    const row = at(tested, value)
    if (row.exists !== (value % 2 === 1) || row.count !== (value % 2 === 1 ? value : 0)) assert.fail(`row ${value}`)
  }
  const bytes = tested.table.bytes
  for (let value = 0; value < rows; value += 2) at(tested, value).count = value
  assert.ok(tested.table.bytes < bytes * 1.4, 'deleted rows are used again')
})

test('keys of one hash are told apart', () => {
  // A 32-bit hash of 200 000 keys has several equal pairs; the index must hold both of each.
  const i32 = new Int32Array(2 ** 20)
  const arena = { bytes: Buffer.alloc(0) } as never
  const rows = { i32, u32: new Uint32Array(i32.buffer), arena }
  const index = new KeyIndex(rows, { stride: 4, key: 0, keyBytes: 8 }, 0, 7, new Meter(undefined))
  const hashes = new Set<number>()
  let collisions = 0
  const count = 200_000
  for (let value = 1; value <= count; value++) {
    const bytes = spread(value)
    assert.equal(index.find(bytes, 0, 8), 0)
    if (hashes.has(index.hash)) collisions++
    hashes.add(index.hash)
    i32[value * 4] = bytes.readInt32LE(0)
    i32[value * 4 + 1] = bytes.readInt32LE(4)
    index.insert(value, index.hash)
  }
  assert.ok(collisions > 0 && collisions < 100, `${collisions} collisions`)
  for (let value = 1; value <= count; value++) assert.equal(index.find(spread(value), 0, 8), value)
  for (let value = 1; value <= count; value += 2) index.remove(value, spread(value), 0, 8)
  for (let value = 1; value <= count; value++) {
    assert.equal(index.find(spread(value), 0, 8), value % 2 === 0 ? value : 0)
  }
})

test('a key of another length than its schema has is refused', () => {
  const tested = new TestTable(tableOf({ count: t.int }, { key: longs }))
  failsWith('VALUE_UNDECODABLE', /7 bytes where 8/, () => tested.table.locate(Buffer.alloc(7), 0, 7))
})

test('maxRows and the memory budget refuse a row and leave the table as it was', () => {
  for (const store of ['memory', 'disk'] as const) {
    const small = new TestTable(tableOf({ count: t.int }, { key: longs, maxRows: 2, store }))
    at(small, 1).count = 1
    at(small, 2).count = 1
    failsWith('TABLE_FULL', /has 2 rows/, () => {
      at(small, 3).count = 1
    })
    assert.equal(small.table.rows, 2)
    at(small, 1).delete()
    at(small, 3).count = 1
    assert.equal(at(small, 3).count, 1)
  }
  const budget = new MemoryBudget(200_000)
  const tested = new TestTable(tableOf({ title: t.string }), { charge: delta => budget.charge(delta) })
  failsWith('MEMORY_BUDGET', /pass 200000/, () => {
    for (let value = 0; value < 1_000_000; value++) at(tested, `key ${value}`).title = 'some text'
  })
  assert.ok(budget.used <= 200_000)
  assert.equal(Math.round(budget.used), tested.table.bytes)
  const rows = tested.table.rows
  assert.ok(rows > 100)
  tested.table.rollback()
  assert.equal(tested.table.rows, 0)
})

test('a memory budget is shared by what sees its buffer', () => {
  const mine = new MemoryBudget(10_240)
  const theirs = new MemoryBudget(10_240, mine.shared)
  mine.charge(4096)
  theirs.charge(5120)
  assert.equal(mine.used, 9216)
  assert.equal(theirs.pressure(), 0.9)
  failsWith('MEMORY_BUDGET', /2048 bytes more/, () => mine.charge(2048))
  theirs.charge(-5120)
  mine.charge(2048)
  assert.equal(mine.used, 6144)
})

test('names that a row cannot have are refused', () => {
  for (const name of ['exists', 'key', 'delete', 'constructor', '__proto__', 'a-b', '1a', '']) {
    const fields = Object.fromEntries([[name, t.int]])
    failsWith('PIPELINE_INVALID', /of table 'rows'/, () => new TestTable(tableOf(fields)))
  }
  const both = tableOf({ close: t.long }, { timers: { close: 'event' } })
  failsWith('PIPELINE_INVALID', /field and of a timer/, () => new TestTable(both))
})

test('values of a wrong type are refused with the name of the field, and the row is as before', () => {
  const fields = {
    int: t.int,
    long: t.long,
    state: t.enum(['a', 'b'], 'AB'),
    title: t.string,
    flag: t.boolean,
    big: t.bigint,
    code: t.fixed(2),
    maybe: t.optional(t.int),
    list: t.array(t.int),
  }
  const wrong: Record<string, unknown[]> = {
    int: [1.5, 2 ** 31, '1', null, Number.NaN],
    long: [2 ** 53, 0.5, 1n, null],
    state: ['c', 0, null],
    title: [1, null, undefined],
    flag: [1, null],
    big: [1, 2n ** 63n],
    code: [Buffer.alloc(3), 'ab'],
    maybe: [0.5, 'x'],
    list: [[0.5], 1, null],
    close: [-1, 0.5, null, Number.POSITIVE_INFINITY],
  }
  const tested = new TestTable(tableOf(fields, { timers: { close: 'event' } }))
  at(tested, 'k').int = 7
  const before = tested.table.get(Buffer.from('k'), 0, 1)
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      failsWith('VALUE_INVALID', new RegExp(`'${name}`), () => {
        at(tested, 'k')[name] = value
      })
    }
  }
  assert.deepEqual(tested.table.get(Buffer.from('k'), 0, 1), before)
})

test('the row object is one, and its class is that of every task of the table', () => {
  const definition = tableOf({ count: t.int })
  const one = new TestTable(definition)
  const other = new TestTable(definition)
  assert.equal(at(one, 'a'), at(one, 'b'))
  assert.equal(Object.getPrototypeOf(at(one, 'a')), Object.getPrototypeOf(at(other, 'a')))
})

function evolve(old: Fields, written: Record<string, unknown>, now: Fields): Record<string, unknown> {
  const before = tableOf(old, { timers: { close: 'event' } })
  const after = tableOf(now, { timers: { close: 'event', remind: 'processing' } })
  const tested = new TestTable(before)
  const row = at(tested, 'k')
  for (const [name, value] of Object.entries(written)) row[name] = value
  row.close = 1234
  tested.collect()
  tested.commit()
  assert.deepEqual(checkRowEvolution(rowDefinition(before), rowDefinition(after)), [])
  const schemas = new Map([
    [1, rowDefinition(before)],
    [300, rowDefinition(after)],
  ])
  tested.crash(after, { schemas, schemaId: 300 })
  const copy = tested.table.get(Buffer.from('k'), 0, 1)
  assert.deepEqual(copy?.timers, { close: 1234 })
  at(tested, 'k').remind = 5
  tested.collect()
  tested.commit()
  tested.crash(after, { schemas, schemaId: 300 })
  assert.deepEqual(tested.table.get(Buffer.from('k'), 0, 1)?.fields, copy?.fields)
  assert.equal(tested.table.nextDeadline('processing'), 5)
  return copy!.fields
}

test('rows of an older schema are read as rows of the new one', () => {
  const found = evolve(
    {
      gone: t.array(t.string),
      count: t.int,
      total: t.long,
      rate: t.float,
      state: t.enum(['a', 'b'], 'S1'),
      title: t.string,
      plain: t.int,
      place: t.record('P', { x: t.int }),
      sizes: t.array(t.int),
    },
    { gone: ['x'], count: 5, total: 6, rate: 0.5, state: 'b', title: 'é', plain: 9, place: { x: 3 }, sizes: [1, 2] },
    {
      total: t.double,
      count: t.long,
      rate: t.double,
      state: t.enum(['c', 'b', 'a'], 'S2'),
      title: t.optional(t.bytes),
      plain: t.optional(t.long),
      place: t.record('Q', { y: t.withDefault(t.string, 'why'), x: t.bigint }),
      sizes: t.array(t.double),
      added: t.withDefault(t.string, 'new'),
      addedZero: t.array(t.int),
      addedMaybe: t.optional(t.int),
    },
  )
  assert.deepEqual(found, {
    total: 6,
    count: 5,
    rate: 0.5,
    state: 'b',
    title: Buffer.from('é'),
    plain: 9,
    place: { y: 'why', x: 3n },
    sizes: [1, 2],
    added: 'new',
    addedZero: [],
    addedMaybe: null,
  })
})

test('an incompatible schema is refused with its reasons, when the table is made', () => {
  const before = rowDefinition(tableOf({ a: t.long, b: t.enum(['x', 'y'], 'B'), c: t.optional(t.int), d: t.string }))
  const definition = tableOf({ a: t.int, b: t.enum(['x'], 'B'), c: t.int, d: t.record('D', { z: t.int }) })
  const reasons = checkRowEvolution(before, rowDefinition(definition))
  assert.deepEqual(reasons, [
    'a: long cannot become int',
    'b: the symbols y are gone',
    'c: null cannot become int',
    'd: string cannot become record',
  ])
  const schemas = new Map([
    [1, before],
    [2, rowDefinition(definition)],
  ])
  failsWith('SCHEMA_INCOMPATIBLE', /a: long cannot become int; b/, () =>
    createTable(definition, { schemaId: 2, schemas }),
  )
})

test('a stored row of an unknown schema, or of bytes cut short, is refused', () => {
  const definition = tableOf({ title: t.string, count: t.long })
  const tested = new TestTable(definition)
  at(tested, 'k').title = 'some text'
  tested.collect()
  tested.commit()
  const schemas = new Map([[9, rowDefinition(definition)]])
  failsWith('SCHEMA_INCOMPATIBLE', /unknown schema id 1/, () => tested.crash(definition, { schemas, schemaId: 9 }))
  const longer = rowDefinition(tableOf({ title: t.string, count: t.long, more: t.string }))
  const cut = { schemas: new Map([[1, longer]]), schemaId: 1 }
  failsWith('STORE_DAMAGED', /cannot be read/, () => tested.crash(definition, cut))
})

test('a disk table keeps at most cacheRows rows in memory once units are committed', () => {
  const tested = new TestTable(tableOf({ title: t.string }, { store: 'disk', timers: { close: 'processing' } }), {
    cacheRows: 100,
  })
  const rows = 2000
  for (let value = 0; value < rows; value++) {
    const row = at(tested, `key ${value}`)
    row.title = 'text'.repeat(10)
    row.close = 1_000_000 - value
    if (value % 50 === 49) {
      tested.collect()
      tested.commit()
    }
  }
  assert.ok(tested.table.bytes < 120_000, `${tested.table.bytes} bytes`)
  assert.equal(tested.table.rows, rows)
  assert.equal(tested.store.size('rows'), rows)
  assert.equal(tested.table.nextDeadline('processing'), 1_000_000 - rows + 1)
  let fired = 0
  while (tested.table.nextDue('processing', 2_000_000)) {
    assert.equal((tested.table.row as { key: unknown }).key, `key ${rows - 1 - fired}`)
    fired++
    if (fired % 50 === 0) {
      tested.collect()
      tested.commit()
    }
  }
  assert.equal(fired, rows)
  tested.collect()
  tested.commit()
  assert.equal(tested.store.size('rows#timers'), 0)
})

test('texts of every length and script are read as they were written', () => {
  const tested = new TestTable(tableOf({ title: t.string }, { key: text() as Schema<unknown> }))
  for (const value of ['', 'a', 'é', 'a'.repeat(48), 'a'.repeat(49), `${'a'.repeat(40)}é`, '😀'.repeat(100), '\0']) {
    at(tested, 'k').title = value
    assert.equal(at(tested, 'k').title, value)
  }
})

test('a stored row that cannot be read is not in memory afterwards', () => {
  const definition = tableOf({ name: t.string, count: t.int }, { store: 'disk' })
  const tested = new TestTable(definition)
  const key = keyOf(definition.key, 'a')
  const row = tested.table.locate(key, 0, key.length)
  row.name = 'text' as never
  row.count = 7 as never
  tested.collect()
  tested.commitAll()
  const table = tested.crash(definition, { schemas: new Map() })
  for (let tries = 0; tries < 2; tries++) {
    assert.throws(() => table.locate(key, 0, key.length), { code: 'SCHEMA_INCOMPATIBLE' })
  }
  const again = tested.crash()
  assert.equal(again.locate(key, 0, key.length).count, 7)
})
