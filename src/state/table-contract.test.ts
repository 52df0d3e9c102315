/** The contract of tables, for each kind, against a model of plain maps. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import type { LocalTable } from '../log/contract.ts'
import { LocalTableFolder } from '../log/local-table-folder.ts'
import { t } from '../schema/field-types.ts'
import { int64, text, uuid } from '../schema/primitives.ts'
import type { Schema } from '../schema/schema.ts'
import { systemClock } from '../time/clock.ts'
import type { TableDefinition, TimerKind } from './contract.ts'
import type { TableOptions } from './table-options.ts'
import { keyOf, TestTable, tableOf } from './test-tables.ts'

const fields = {
  count: t.int,
  total: t.long,
  state: t.enum(['new', 'open', 'closed'], 'State'),
  title: t.string,
  raw: t.bytes,
  ratio: t.double,
  small: t.float,
  flag: t.boolean,
  big: t.bigint,
  code: t.fixed(3),
  maybe: t.optional(t.int),
  note: t.optional(t.string),
  list: t.array(t.long),
  nested: t.record('Nested', { name: t.string, values: t.map(t.int) }),
}
const timers = { close: 'processing', remind: 'processing', expire: 'event' } as const
type Timer = keyof typeof timers

const values: { [Name in keyof typeof fields]: fc.Arbitrary<unknown> } = {
  count: fc.integer(),
  total: fc.maxSafeInteger(),
  state: fc.constantFrom('new', 'open', 'closed'),
  title: fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: 'grapheme', maxLength: 40 })),
  raw: fc.uint8Array({ maxLength: 70 }).map(bytes => Buffer.from(bytes)),
  ratio: fc.double({ noNaN: true }),
  small: fc.float({ noNaN: true }),
  flag: fc.boolean(),
  big: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  code: fc.uint8Array({ minLength: 3, maxLength: 3 }).map(bytes => Buffer.from(bytes)),
  maybe: fc.option(fc.integer()),
  note: fc.option(fc.string()),
  list: fc.array(fc.maxSafeInteger(), { maxLength: 4 }),
  nested: fc
    .record({ name: fc.string(), values: fc.dictionary(fc.string({ minLength: 1 }), fc.integer()) })
    .map(value => ({
      name: value.name,
      values: Object.fromEntries(Object.entries(value.values)),
    })),
}

const ZERO: Record<string, unknown> = {
  count: 0,
  total: 0,
  state: 'new',
  title: '',
  raw: Buffer.alloc(0),
  ratio: 0,
  small: 0,
  flag: false,
  big: 0n,
  code: Buffer.alloc(3),
  maybe: null,
  note: null,
  list: [],
  nested: { name: '', values: {} },
}

interface ModelTimer {
  deadline: number
  order: number
}
interface ModelRow {
  fields: Record<string, unknown>
  timers: Map<Timer, ModelTimer>
}
type ModelRows = Map<string, ModelRow>

function copyOf(rows: ModelRows): ModelRows {
  return new Map(
    [...rows].map(([key, row]) => [key, { fields: { ...row.fields }, timers: new Map(row.timers) }] as const),
  )
}

/** What a table does, with maps: rows now, at the savepoint, and after each unit that is not committed. */
class Model {
  rows: ModelRows = new Map()
  savepoint: ModelRows = new Map()
  committed: ModelRows = new Map()
  units: ModelRows[] = []
  #order = 0

  write(key: string): ModelRow {
    let row = this.rows.get(key)
    if (row === undefined) {
      row = { fields: { ...ZERO }, timers: new Map() }
      this.rows.set(key, row)
    }
    return row
  }

  setTimer(key: string, timer: Timer, deadline: number): void {
    const row = this.rows.get(key)
    if (deadline === 0 && !row?.timers.has(timer)) return
    if (deadline === 0) this.write(key).timers.delete(timer)
    else this.write(key).timers.set(timer, { deadline, order: this.#order++ })
  }

  first(kind: TimerKind): { key: string; timer: Timer; deadline: number; order: number } | undefined {
    let best: { key: string; timer: Timer; deadline: number; order: number } | undefined
    for (const [key, row] of this.rows) {
      for (const [timer, { deadline, order }] of row.timers) {
        if (timers[timer] !== kind) continue
        const isLater =
          best !== undefined && (deadline > best.deadline || (deadline === best.deadline && order > best.order))
        if (!isLater) best = { key, timer, deadline, order }
      }
    }
    return best
  }
}

const KEYS = 12
const someKey = fc.integer({ min: 0, max: KEYS - 1 })
const someTime = fc.oneof(
  fc.integer({ min: 1, max: 12 }),
  fc.integer({ min: 1, max: 3000 }),
  fc.integer({ min: 1, max: 100_000_000 }),
)
type Step =
  | { step: 'set'; key: number; field: string; value: unknown }
  | { step: 'timer'; key: number; timer: Timer; deadline: number }
  | { step: 'delete' | 'get'; key: number }
  | { step: 'due'; kind: TimerKind; now: number; count: number }
  | { step: 'savepoint' | 'rollback' | 'collect' | 'commit' | 'crash' | 'scan' }

const someStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .constantFrom(...(Object.keys(fields) as (keyof typeof fields)[]))
      .chain(field =>
        fc.record({ step: fc.constant('set' as const), key: someKey, field: fc.constant(field), value: values[field] }),
      ),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      step: fc.constant('timer' as const),
      key: someKey,
      timer: fc.constantFrom<Timer>('close', 'remind', 'expire'),
      deadline: fc.oneof({ weight: 6, arbitrary: someTime }, { weight: 1, arbitrary: fc.constant(0) }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ step: fc.constantFrom('delete' as const, 'get' as const), key: someKey }) },
  {
    weight: 4,
    arbitrary: fc.record({
      step: fc.constant('due' as const),
      kind: fc.constantFrom<TimerKind>('processing', 'event'),
      now: someTime,
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      step: fc.constantFrom<'savepoint' | 'rollback' | 'collect' | 'commit' | 'crash' | 'scan'>(
        'savepoint',
        'rollback',
        'collect',
        'collect',
        'commit',
        'commit',
        'crash',
        'scan',
      ),
    }),
  },
)

function runSteps(
  definition: TableDefinition,
  options: Partial<TableOptions>,
  keys: unknown[],
  steps: readonly Step[],
  /** Makes an empty store: every second crash comes with the loss of it. */
  emptyStore: (() => LocalTable) | null = null,
) {
  let crashes = 0
  const tested = new TestTable(definition, options, 2)
  const model = new Model()
  const bytes = keys.map(key => keyOf(definition.key, key))
  const nameOf = (index: number) => String(keys[index])
  const rowAt = (index: number) => tested.table.locate(bytes[index]!, 0, bytes[index]!.length)
  // A crash forgets in which order equal deadlines were set (memory tables set them anew in changelog order).
  let isOrderKnown = true

  for (const step of steps) {
    const { table } = tested
    switch (step.step) {
      case 'set':
        rowAt(step.key)[step.field] = step.value as never
        model.write(nameOf(step.key)).fields[step.field] = step.value
        break
      case 'timer':
        rowAt(step.key)[step.timer] = step.deadline as never
        model.setTimer(nameOf(step.key), step.timer, step.deadline)
        break
      case 'delete':
        rowAt(step.key).delete()
        model.rows.delete(nameOf(step.key))
        break
      case 'get': {
        const row = rowAt(step.key)
        const expected = model.rows.get(nameOf(step.key))
        assert.equal(row.exists, expected !== undefined)
        assert.deepEqual(row.key, keys[step.key])
        for (const name of Object.keys(fields)) assert.deepEqual(row[name], (expected?.fields ?? ZERO)[name], name)
        for (const name of Object.keys(timers) as Timer[]) {
          assert.equal(row[name], expected?.timers.get(name)?.deadline ?? 0)
        }
        break
      }
      case 'due':
        for (let count = 0; count < step.count; count++) {
          const expected = model.first(step.kind)
          const isDue: boolean = expected !== undefined && expected.deadline <= step.now
          assert.equal(table.nextDue(step.kind, step.now), isDue)
          if (expected === undefined || !isDue) break
          const key = String(table.row.key)
          const timer = table.dueTimer as Timer
          assert.equal(model.rows.get(key)!.timers.get(timer)!.deadline, expected.deadline)
          assert.equal(table.row[timer], 0)
          if (isOrderKnown) assert.deepEqual([key, timer], [expected.key, expected.timer])
          model.rows.get(key)!.timers.delete(timer)
        }
        break
      case 'savepoint':
        table.savepoint()
        model.savepoint = copyOf(model.rows)
        break
      case 'rollback':
        table.rollback()
        model.rows = copyOf(model.savepoint)
        break
      case 'collect':
        tested.collect()
        assert.equal(table.changed, false)
        model.savepoint = copyOf(model.rows)
        model.units.push(copyOf(model.rows))
        break
      case 'commit':
        tested.commit()
        model.committed = model.units.shift() ?? model.committed
        break
      case 'crash':
        if (emptyStore !== null && ++crashes % 2 === 0) tested.options.local = emptyStore()
        tested.crash()
        model.units = []
        model.rows = copyOf(model.committed)
        model.savepoint = copyOf(model.committed)
        if (definition.store === 'memory') isOrderKnown = false
        break
      case 'scan': {
        const limit = 7
        const from = bytes[2]!
        const expected = bytes
          .map((key, index) => ({ key, index }))
          .filter(({ key, index }) => model.rows.has(nameOf(index)) && key.compare(from) >= 0)
          .sort((left, right) => left.key.compare(right.key))
          .slice(0, limit)
        const found = table.scan(from, undefined, limit)
        assert.deepEqual(
          found.map(row => row.key),
          expected.map(({ index }) => keys[index]),
        )
        for (const row of found) {
          const same = model.rows.get(String(row.key))!
          assert.deepEqual(row.fields, same.fields)
          const deadlines = [...same.timers].map(([name, timer]) => [name, timer.deadline])
          assert.deepEqual(row.timers, Object.fromEntries(deadlines))
        }
        break
      }
    }
    assert.equal(tested.table.rows, model.rows.size)
    for (const kind of ['processing', 'event'] as const) {
      const earliest = model.first(kind)?.deadline ?? Number.POSITIVE_INFINITY
      const bound = tested.table.nextDeadline(kind)
      assert.ok(bound <= earliest, `${bound} is after ${earliest}`)
      assert.ok(bound === earliest || bound > earliest - 1000, `${bound} is long before ${earliest}`)
    }
  }
}

const numbers = Array.from({ length: KEYS }, (_, index) => (index % 2 === 0 ? index * 1000 : -index))
const texts = Array.from({ length: KEYS }, (_, index) => 'key'.repeat(index) + index)
const uuids = Array.from({ length: KEYS }, (_, index) => `0f8fad5b-d9cb-469f-a165-7086728950${index + 10}`)
const kinds: [string, Schema<unknown>, unknown[]][] = [
  ['int64', int64() as Schema<unknown>, numbers],
  ['text', text() as Schema<unknown>, texts],
  ['uuid', uuid() as Schema<unknown>, uuids],
]

const folder = mkdtempSync(join(tmpdir(), 'aldebaran-tables-'))
const localTables = new LocalTableFolder({ folder, clock: systemClock, identityOf: topic => topic })
after(async () => {
  await localTables.close()
  rmSync(folder, { recursive: true })
})

const stores = [
  ['memory', 'memory', false],
  ['disk', 'disk', false],
  ['local disk', 'disk', true],
] as const
for (const [title, store, isLocal] of stores) {
  describe(`${title} table`, () => {
    for (const [name, key, keys] of kinds) {
      test(`does as the model does, with keys of ${name}`, () => {
        const definition = tableOf(fields, { timers, store, key })
        fc.assert(
          fc.property(fc.array(someStep, { maxLength: 150, size: 'max' }), fc.integer(), (steps, seed) => {
            const emptyStore = isLocal ? () => localTables.open(name, 0, '', null) : null
            const local = emptyStore === null ? {} : { local: emptyStore() }
            runSteps(definition, { seed, cacheRows: 3, ...local }, keys, steps, emptyStore)
          }),
          { numRuns: isLocal ? 60 : 200 },
        )
      })
    }
  })
}
