import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inlineLog } from '../log/inline.ts'
import { t } from '../schema/field-types.ts'
import { rowDefinition } from '../state/evolution.ts'
import { tableOf } from '../state/test-tables.ts'
import { SimulatedStore } from '../testing/simulated-store.ts'
import { VirtualClock } from '../time/clock.ts'
import { keepRowVersions, learnRowVersions } from './row-versions.ts'

const A = rowDefinition(tableOf({ a: t.int }))
const AB = rowDefinition(tableOf({ a: t.int, b: t.int }))
const AC = rowDefinition(tableOf({ a: t.int, c: t.int }))
const TEXT = rowDefinition(tableOf({ a: t.string }))

function newLog() {
  return inlineLog(new SimulatedStore(), { clock: new VirtualClock(0), durability: 'disk' })
}

test('versions are numbered by their first appearance, and stay', async () => {
  const log = newLog().client()
  const current: number[] = []
  for (const one of [A, AB, A, AC]) {
    const tables = new Map([
      ['app.p.one', one],
      ['app.p.two', AC],
    ])
    const versions = await keepRowVersions(log, 'app', tables)
    current.push(versions.get('app.p.one')!.current)
    assert.equal(versions.get('app.p.two')!.current, 1)
  }
  assert.deepEqual(current, [1, 2, 1, 3])
  assert.equal(log.partition('app.row-versions', 0).end, 4)
})

test('a definition that stored rows cannot follow is refused, and leaves no version', async () => {
  const log = newLog().client()
  await keepRowVersions(log, 'app', new Map([['app.p.one', A]]))
  const { end } = log.partition('app.row-versions', 0)
  await assert.rejects(keepRowVersions(log, 'app', new Map([['app.p.one', TEXT]])), {
    code: 'SCHEMA_INCOMPATIBLE',
    message: /'one'.*a: int cannot become string/,
  })
  assert.equal(log.partition('app.row-versions', 0).end, end)
})

test('processes that start at once agree, whatever they bring', async () => {
  const log = newLog()
  const starts = [A, AB, A, AC, AB].map(definition =>
    keepRowVersions(log.client(), 'app', new Map([['app.p.one', definition]])),
  )
  const found = (await Promise.all(starts)).map(versions => versions.get('app.p.one')!)
  const numbers = new Map<string, number>()
  for (const { current, definitions } of found) {
    const definition = definitions.get(current)!
    assert.equal(numbers.get(definition) ?? current, current)
    numbers.set(definition, current)
  }
  assert.deepEqual([...numbers.values()].sort(), [1, 2, 3])
  const again = await keepRowVersions(log.client(), 'app', new Map([['app.p.one', A]]))
  assert.equal(again.get('app.p.one')!.current, numbers.get(A))
})

test('what others added is learnt when it is asked for', async () => {
  const log = newLog()
  const client = log.client()
  const versions = await keepRowVersions(client, 'app', new Map([['app.p.one', A]]))
  await keepRowVersions(log.client(), 'app', new Map([['app.p.one', AB]]))
  learnRowVersions(client, 'app', versions)
  assert.deepEqual(versions.get('app.p.one'), {
    current: 1,
    definitions: new Map([
      [1, A],
      [2, AB],
    ]),
  })
})

test('the versions of a store of 0.1.0 are taken over with their numbers', async () => {
  const log = newLog().client()
  await log.commit({
    tables: [A, AB].map((definition, i) => ({
      table: 'aldebaran.row-versions',
      key: Buffer.from(`app.p.one/${i + 1}`),
      value: Buffer.from(definition),
    })),
  })
  const versions = await keepRowVersions(log, 'app', new Map([['app.p.one', AB]]))
  assert.equal(versions.get('app.p.one')!.current, 2)
  const next = await keepRowVersions(log, 'app', new Map([['app.p.one', AC]]))
  assert.deepEqual(
    [...next.get('app.p.one')!.definitions],
    [
      [1, A],
      [2, AB],
      [3, AC],
    ],
  )
})
