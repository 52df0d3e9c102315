import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AldebaranError } from '../errors.ts'
import { pipeline } from '../pipeline/pipeline.ts'
import { topic } from '../pipeline/topic.ts'
import { avro } from '../schema/avro.ts'
import { t } from '../schema/field-types.ts'
import { int32, text } from '../schema/primitives.ts'
import { drive } from '../testing/drive.ts'
import { application } from './application.ts'

const numbers = topic('numbers', { key: text(), value: avro('Number', { n: t.int }), partitions: 3 })
const results = topic('results', { key: text(), value: avro('Result', { n: t.int, from: t.string }), partitions: 2 })

function refused(code: string, part: RegExp) {
  return (error: unknown) => error instanceof AldebaranError && error.code === code && part.test(error.message)
}

describe('operators', () => {
  test('filter, map, flatMap, branch and merge do what they say', async () => {
    const p = pipeline('p')
    const { even, odd } = p
      .from(numbers)
      .filter(({ n }) => n > 0)
      .branch({ even: ({ n }) => n % 2 === 0, odd: () => true })
    const halves = even.map(({ n }) => ({ n: n / 2, from: 'even' }))
    const copies = odd.flatMap(({ n }) => [
      { n, from: 'odd' },
      { n: n * 10, from: 'odd' },
    ])
    halves.merge(copies).to(results)
    const driver = await drive(application('a', { pipelines: [p] }))
    for (const n of [-1, 4, 3]) driver.send(numbers, 'k', { n })
    assert.deepEqual(
      driver.outputs(results).map(record => [record.key, record.value?.n, record.value?.from]),
      [
        ['k', 2, 'even'],
        ['k', 3, 'odd'],
        ['k', 30, 'odd'],
      ],
    )
  })

  test('keyBy brings the values of a key together, whatever their first partition', async () => {
    const totals = topic('totals', { key: int32(), value: avro('Total', { sum: t.long }) })
    const p = pipeline('p')
    const sums = p.table('sums', { key: int32(), row: { sum: t.long } })
    p.from(numbers)
      .keyBy('by-parity', ({ n }) => n % 2, { key: int32(), value: numbers.value, partitions: 4 })
      .into(sums, ({ n }, row) => {
        row.sum += n
        return { sum: row.sum }
      })
      .to(totals)
    const driver = await drive(application('a', { pipelines: [p] }))
    for (let n = 1; n <= 10; n++) driver.send(numbers, `key-${n}`, { n })
    const last = new Map(driver.outputs(totals).map(record => [record.key, record.value?.sum]))
    assert.deepEqual([...last].sort(), [
      [0, 30],
      [1, 25],
    ])
  })

  test('records without a key pass, and are dead letters where a table needs one', async () => {
    const p = pipeline('p')
    const seen = p.table('seen', { key: text(), row: { count: t.int } })
    p.from(numbers)
      .map(({ n }) => ({ n, from: 'none' }))
      .to(results)
    p.from(numbers).into(seen, (_, row) => {
      row.count++
    })
    const driver = await drive(application('a', { pipelines: [p] }))
    driver.send(numbers, null, { n: 1 })
    driver.send(numbers, 'k', { n: 2 })
    assert.deepEqual(
      driver.deadLetters().map(letter => letter.code),
      ['VALUE_INVALID'],
    )
    assert.deepEqual(
      driver.outputs(results).map(record => record.value?.n),
      [2],
    )
    assert.deepEqual(
      driver.rows('p', 'seen').map(row => row.fields.count),
      [1],
    )
  })
})

describe('a handler that throws', () => {
  test('leaves no trace of its record, and all others are processed once', async () => {
    const p = pipeline('p', { sends: [results] })
    const sums = p.table('sums', { key: text(), row: { sum: t.long, last: t.string }, timers: { wake: 'processing' } })
    sums.on('wake', () => {})
    p.from(numbers).into(sums, ({ n }, row, context) => {
      row.sum += n
      row.last = `after ${n}`
      row.wake = context.now + 1000
      context.send(results, context.key, { n, from: 'sent' })
      if (n === 13) throw new Error('bad luck')
    })
    const driver = await drive(application('a', { pipelines: [p] }))
    driver.sendAll(
      numbers,
      [1, 2, 13, 4, 13, 5].map(n => ['k', { n }]),
    )
    assert.deepEqual(
      driver.outputs(results).map(record => record.value?.n),
      [1, 2, 4, 5],
    )
    assert.deepEqual(
      driver.rows('p', 'sums').map(row => row.fields),
      [{ sum: 12, last: 'after 5' }],
    )
    assert.deepEqual(
      driver.deadLetters().map(letter => [letter.code, letter.message, letter.offset]),
      [
        ['HANDLER_THREW', 'bad luck', 2],
        ['HANDLER_THREW', 'bad luck', 4],
      ],
    )
  })

  test('in a timer is a dead letter that names the timer, and the timer is over', async () => {
    const p = pipeline('p')
    const rows = p.table('rows', { key: text(), row: { n: t.int, fired: t.int }, timers: { due: 'processing' } })
    p.from(numbers).into(rows, ({ n }, row, { now }) => {
      row.n = n
      row.due = now + 100
    })
    rows.on('due', row => {
      row.fired++
      if (row.n === 13) throw new Error('bad timer')
    })
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1000 })
    for (const [key, n] of [
      ['a', 1],
      ['b', 13],
      ['c', 3],
    ] as const)
      driver.send(numbers, key, { n })
    driver.advance(100)
    assert.deepEqual(
      driver.deadLetters().map(letter => [letter.timer, JSON.parse(String(letter.value))]),
      [['rows/due', { n: 13, fired: 0 }]],
    )
    driver.advance(100_000)
    const fired = driver.rows('p', 'rows').map(row => [row.key, row.fields.fired])
    assert.deepEqual(fired.sort(), [
      ['a', 1],
      ['b', 0],
      ['c', 1],
    ])
    assert.deepEqual(driver.deadLetters(), [])
  })
})

describe('time', () => {
  test('event timers follow the records, not the clock', async () => {
    const p = pipeline('p')
    const windows = p.table('windows', { key: text(), row: { n: t.int }, timers: { end: 'event' } })
    p.from(numbers, { outOfOrderness: '5s', idleAfter: false }).into(windows, ({ n }, row, { timestamp }) => {
      row.n += n
      if (row.end === 0) row.end = timestamp + 10_000
    })
    windows
      .on('end', (row, { timestamp }) => {
        const closed = { n: row.n, from: `at ${timestamp}` }
        row.delete()
        return closed
      })
      .to(results)
    const driver = await drive(application('a', { pipelines: [p] }), { startMs: 1_000_000 })
    driver.send(numbers, 'k', { n: 1 }, 1_000_000)
    driver.advance(3_600_000)
    driver.send(numbers, 'k', { n: 2 }, 1_014_999)
    assert.deepEqual(driver.outputs(results), [])
    driver.send(numbers, 'k', { n: 0 }, 1_015_000)
    assert.deepEqual(
      driver.outputs(results).map(record => record.value),
      [{ n: 3, from: 'at 1010000' }],
    )
  })
})

describe('a full table', () => {
  test('stops its task, loses nothing, and goes on when there is room', async () => {
    const p = pipeline('p')
    const rows = p.table('rows', { key: text(), row: { n: t.int }, timers: { gone: 'processing' }, maxRows: 2 })
    p.from(single)
      .into(rows, ({ n }, row, { now }) => {
        row.n = n
        row.gone = now + 1000
        return { n, from: 'row' }
      })
      .to(results)
    rows.on('gone', row => row.delete())
    const driver = await drive(application('a', { pipelines: [p] }))
    for (const key of ['a', 'b', 'c']) driver.send(single, key, { n: 1 })
    assert.deepEqual(
      driver.outputs(results).map(record => record.key),
      ['a', 'b'],
    )
    assert.equal((driver.problem as AldebaranError | null)?.code, 'TABLE_FULL')
    driver.advance(1000)
    assert.deepEqual(
      driver.outputs(results).map(record => record.key),
      ['c'],
    )
    assert.deepEqual(driver.deadLetters(), [])
    assert.equal(driver.problem, null)
  })
})

const single = topic('single', { key: text(), value: numbers.value, partitions: 1 })

describe('what is refused at start', () => {
  test('two parts of one name', () => {
    const p = pipeline('p')
    p.table('rows', { key: text(), row: { n: t.int } })
    assert.throws(() => p.table('rows', { key: text(), row: { n: t.int } }), refused('NAME_TAKEN', /'rows'/))
    const twins = [pipeline('p'), pipeline('p')]
    for (const twin of twins) twin.from(numbers).each(() => {})
    assert.throws(() => application('a', { pipelines: twins }), refused('NAME_TAKEN', /two parts/))
  })

  test('topics of different partition counts read together', () => {
    const p = pipeline('p')
    const rows = p.table('rows', { key: text(), row: { n: t.int } })
    p.from(numbers).into(rows, () => {})
    p.from(single).into(rows, () => {})
    assert.throws(
      () => application('a', { pipelines: [p] }),
      refused('PARTITIONS_DIFFER', /'numbers' \(3.*'single' \(1/),
    )
  })

  test('a pipeline that reads nothing, a table nothing goes into, a timer without a handler', () => {
    assert.throws(() => application('a', { pipelines: [pipeline('p')] }), refused('PIPELINE_INVALID', /reads no topic/))
    const idle = pipeline('p')
    idle.table('rows', { key: text(), row: { n: t.int } })
    idle.from(numbers).each(() => {})
    assert.throws(() => application('a', { pipelines: [idle] }), refused('PIPELINE_INVALID', /nothing goes into/))
    const deaf = pipeline('p')
    const rows = deaf.table('rows', { key: text(), row: { n: t.int }, timers: { due: 'processing' } })
    deaf.from(numbers).into(rows, () => {})
    assert.throws(() => application('a', { pipelines: [deaf] }), refused('PIPELINE_INVALID', /timer 'due'/))
  })

  test('a topic that must exist and does not, or has other partitions than the code says', async () => {
    const p = pipeline('p')
    p.from(topic('elsewhere', { key: text(), value: text(), external: true })).each(() => {})
    await assert.rejects(drive(application('a', { pipelines: [p] })), refused('TOPIC_UNKNOWN', /'elsewhere'/))
  })
})

test('rows that changed their type in a way stored rows cannot follow are refused, others are read on', async () => {
  const build = (row: Parameters<ReturnType<typeof pipeline>['table']>[1]['row']) => {
    const p = pipeline('p')
    const rows = p.table('rows', { key: text(), row })
    p.from(numbers).into(rows, (value, record) => {
      Object.assign(record, value)
    })
    return application('a', { pipelines: [p] })
  }
  const driver = await drive(build({ n: t.int }))
  driver.send(numbers, 'k', { n: 7 })
  const wider = await driver.upgrade(build({ n: t.long, more: t.withDefault(t.string, 'new') }))
  assert.deepEqual(
    wider.rows('p', 'rows').map(row => row.fields),
    [{ n: 7, more: 'new' }],
  )
  await assert.rejects(wider.upgrade(build({ n: t.string })), refused('SCHEMA_INCOMPATIBLE', /'rows'/))
})
