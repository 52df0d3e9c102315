/** The cells of the console's tables of records, without a browser; and what they take from the API, with the API. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { forecast, LONDON, NOON, WeatherSite } from '../../apps/weather/api/test/site.ts'
import type { Forecast } from '../../apps/weather/schemas.ts'
import { load, onPage, type Recorded } from './console-modules.ts'
import { TestSite } from './http-site.ts'

interface Shape {
  isBytes: boolean
  units: ReadonlyMap<string, number>
}
type Cell = Recorded | string

const { UNKNOWN, shapeOf, contentOf, fieldCell, timeCell, cell } = await load<{
  UNKNOWN: Shape
  shapeOf(topic: unknown): Shape
  contentOf(value: unknown, shape: Shape): unknown
  fieldCell(name: string, value: unknown, shape: Shape, now: number): Cell
  timeCell(value: unknown, unit: number, now: number): Cell
  cell(value: unknown): Cell
}>('record-cells.js')

const AT = Date.UTC(2026, 3, 5, 14, 3, 27, 120)
const DAY = 86_400_000

/** The text of a cell, and its title; null: it has none. */
function told(make: () => Cell): [text: unknown, title: string | null] {
  const made = onPage(make)
  return typeof made === 'string' ? [made, null] : [made.tree()[1], made.attributes.title ?? null]
}

function avro(...fields: object[]): unknown {
  return { value: { format: 'avro', definition: JSON.stringify({ type: 'record', name: 'R', fields }) } }
}

describe('a time in a table of records', () => {
  test('is UTC, with the date of any day but today, and what was written as its title', () => {
    assert.deepEqual(
      told(() => timeCell(AT, 1, AT + 1000)),
      ['14:03:27.120Z', String(AT)],
    )
    assert.deepEqual(
      told(() => timeCell(AT - 120, 1, AT)),
      ['14:03:27Z', String(AT - 120)],
    )
    assert.deepEqual(
      told(() => timeCell(AT, 1, AT + DAY)),
      ['2026-04-05 14:03:27.120Z', String(AT)],
    )
    assert.deepEqual(
      told(() => timeCell(-1, 1, AT)),
      ['1969-12-31 23:59:59.999Z', '-1'],
    )
    assert.deepEqual(
      told(() => timeCell(AT * 1000 + 789, 1000, AT)),
      ['14:03:27.120Z', String(AT * 1000 + 789)],
    )
  })

  test('that is none is shown as it is', () => {
    assert.deepEqual(
      told(() => timeCell(8_640_000_000_000_001, 1, AT)),
      ['8640000000000001', null],
    )
    assert.deepEqual(
      told(() => timeCell(null, 1, AT)),
      ['–', null],
    )
    assert.deepEqual(
      told(() => timeCell('soon', 1, AT)),
      ['soon', null],
    )
  })

  test('is what the schema declares, also where it may be null', () => {
    const millis = { type: 'long', logicalType: 'timestamp-millis' }
    const shape = shapeOf(
      avro(
        { name: 'begin', type: millis },
        { name: 'end', type: ['null', { type: 'long', logicalType: 'timestamp-micros' }] },
        { name: 'id', type: 'long' },
        { name: 'day', type: { type: 'int', logicalType: 'date' } },
      ),
    )
    assert.deepEqual(Object.fromEntries(shape.units), { begin: 1, end: 1000 })
    assert.deepEqual(
      told(() => fieldCell('begin', AT, shape, AT)),
      ['14:03:27.120Z', String(AT)],
    )
    assert.deepEqual(
      told(() => fieldCell('begin', 0, shape, AT)),
      ['1970-01-01 00:00:00Z', '0'],
    )
    assert.deepEqual(
      told(() => fieldCell('end', AT * 1000, shape, AT)),
      ['14:03:27.120Z', String(AT * 1000)],
    )
    assert.deepEqual(
      told(() => fieldCell('end', null, shape, AT)),
      ['–', null],
    )
    assert.deepEqual(
      told(() => fieldCell('id', AT, shape, AT)),
      [String(AT), null],
    )
    assert.deepEqual(
      told(() => fieldCell('day', 20_000, shape, AT)),
      ['20000', null],
    )
  })

  test('where no schema says it, is what is called so and can be one', () => {
    const time = (name: string, value: unknown) => told(() => fieldCell(name, value, UNKNOWN, AT))
    for (const name of ['at', 'ts', 'time', 'timestamp', 'createdAt', 'eventTime', 'updated_at']) {
      assert.deepEqual(time(name, AT), ['14:03:27.120Z', String(AT)], name)
      assert.deepEqual(time(name, AT * 1000), ['14:03:27.120Z', String(AT * 1000)], name)
    }
    for (const name of ['id', 'stat', 'format', 'ats', 'hits', 'runtime', 'data']) {
      assert.deepEqual(time(name, AT), [String(AT), null], name)
    }
    for (const value of [0, 12, 1e11, 5e12, 5e15, -AT]) {
      assert.deepEqual(time('at', value), [String(value), null])
    }
    assert.deepEqual(time('at', '2026-04-05'), ['2026-04-05', null])
  })
})

describe('another cell of a table of records', () => {
  test('has a number without the noise of its last figure', () => {
    assert.deepEqual(
      told(() => cell(74.20173000000001)),
      ['74.20173', '74.20173000000001'],
    )
    assert.deepEqual(
      told(() => cell(1.9241600000000023)),
      ['1.92416', '1.9241600000000023'],
    )
    for (const value of [0.1, -2.5, 1_234_567_890_123.5, 9_007_199_254_740_991, Number.NaN]) {
      assert.deepEqual(
        told(() => cell(value)),
        [String(value), null],
      )
    }
  })

  test('is one line, not too long', () => {
    assert.deepEqual(
      told(() => cell({ a: [1] })),
      ['{"a":[1]}', null],
    )
    assert.deepEqual(
      told(() => cell('x'.repeat(61))),
      [`${'x'.repeat(59)}…`, null],
    )
    assert.deepEqual(
      told(() => cell(null)),
      ['–', null],
    )
  })

  test('has bytes as their text, if they are one', () => {
    const bytes = shapeOf({ value: { format: 'bytes', definition: null } })
    const base64 = (content: string | Uint8Array) => Buffer.from(content as string).toString('base64')
    assert.equal(contentOf(base64('{"name":"Zoë"}'), bytes), '{"name":"Zoë"}')
    const noText = base64(Uint8Array.of(0xff, 0xfe, 0))
    assert.equal(contentOf(noText, bytes), noText)
    assert.equal(contentOf(null, bytes), null)
    for (const shape of [UNKNOWN, shapeOf({ value: { format: 'text', definition: null } })]) {
      assert.equal(contentOf(base64('a text'), shape), base64('a text'))
    }
  })
})

test('what nobody said anything of has no shape', () => {
  for (const topic of [{}, { value: null }, { value: { format: 'avro', definition: null } }]) {
    assert.deepEqual(shapeOf(topic), UNKNOWN)
  }
  assert.deepEqual(shapeOf({ value: { format: 'avro', definition: '"string"' } }), UNKNOWN)
  assert.deepEqual(shapeOf({ value: { format: 'protobuf', definition: 'message A {}' } }), UNKNOWN)
})

describe('from the API', () => {
  test('the times of forecasts are known by the schema of their topic', async () => {
    const site = await WeatherSite.open()
    try {
      await site.show({ city: LONDON })
      const address = `${site.running.url}/topics/weather-api-test.forecasts`
      const shape = shapeOf(await (await fetch(address)).json())
      const { records } = (await (await fetch(`${address}/records`)).json()) as { records: { value: Forecast }[] }
      const [value] = records.map(record => record.value)
      assert.deepEqual(value, forecast({ city: LONDON }))
      const cells = (['windowStart', 'readings'] as const).map(name =>
        told(() => fieldCell(name, value?.[name], shape, AT)),
      )
      assert.deepEqual(cells, [
        ['2024-07-01 12:00:00Z', String(NOON)],
        [String(value?.readings), null],
      ])
    } finally {
      await site.close()
    }
  })

  test('values of bytes are told by the format of their topic', async () => {
    const site = await TestSite.open()
    try {
      const text = '{"a": "ä"}'
      const value = Buffer.from(text).toString('base64')
      await site.postJson('/topics/blobs/records?wrap=records', { records: [{ key: 'k', value }] })
      const shape = shapeOf((await site.get('/topics/blobs')).body)
      const { records } = (await site.get('/topics/blobs/records')).body as { records: { value: unknown }[] }
      assert.deepEqual(
        records.map(record => contentOf(record.value, shape)),
        [text],
      )
    } finally {
      await site.close()
    }
  })
})
