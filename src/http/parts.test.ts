import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BUCKETS_MS } from '../runtime/measures.ts'
import { json } from '../schema/json.ts'
import { bigint64, bytes, int32, int64, text, uuid } from '../schema/primitives.ts'
import type { Schema } from '../schema/schema.ts'
import { BODY_TYPES, openBody } from './body.ts'
import { encoded, keyBytesFromText, keyToText, plain, show } from './codec.ts'
import { formatPositions, parsePositions } from './positions.ts'
import { quantilesOf } from './quantiles.ts'
import { compileHttpSettings } from './settings.ts'

test('positions come back as they were written', () => {
  const positions = fc.uniqueArray(fc.tuple(fc.nat(9999), fc.nat(1e9)), {
    selector: ([partition]) => partition,
    minLength: 1,
  })
  fc.assert(
    fc.property(positions, entries => {
      const written = formatPositions(new Map(entries))
      assert.deepEqual(
        new Map(
          parsePositions(
            written,
            entries.map(([partition]) => partition),
          ),
        ),
        new Map(entries),
      )
    }),
  )
  for (const wrong of ['', '1:', ':1', '1:2,', '-1', '1:-2', '1e3', '99999999999999999', 'newest']) {
    assert.throws(() => parsePositions(wrong, [0]), { code: 'OPTION_INVALID' }, wrong)
  }
})

test('keys as text come back as they were', () => {
  const check = <T>(schema: Schema<T>, keys: fc.Arbitrary<T>) => {
    const untyped = schema as Schema<unknown>
    fc.assert(
      fc.property(keys, key => {
        assert.deepEqual(keyBytesFromText(untyped, keyToText(untyped, key)), encoded(untyped, key))
      }),
    )
  }
  check(text(), fc.string({ unit: 'grapheme' }))
  check(int32(), fc.integer())
  check(int64(), fc.maxSafeInteger())
  check(bigint64(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  check(uuid(), fc.uuid())
  check(bytes() as Schema<Uint8Array>, fc.uint8Array())
  check(json(), fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer())))
})

test('bytes are shown as JSON, or as base64 with the reason', () => {
  const number = int32() as Schema<unknown>
  assert.deepEqual(show(number, Buffer.from([0, 0, 0, 7]), 0, 4), { value: 7 })
  assert.deepEqual(show(number, Buffer.from([0, 0, 0, 7]), -1, -1), { value: null })
  const bad = show(number, Buffer.from([1, 2]), 0, 2)
  assert.equal(bad.value, null)
  assert.equal(bad.base64, 'AQI=')
  assert.equal(bad.error?.code, 'VALUE_UNDECODABLE')
})

test('values of rows become JSON', () => {
  const row = { big: 2n ** 63n, bytes: Buffer.from('a'), nan: Number.NaN, list: [1n], map: { a: null } }
  assert.deepEqual(plain(row), { big: '9223372036854775808', bytes: 'YQ==', nan: 'NaN', list: ['1'], map: { a: null } })
})

test('quantiles lie in the bucket that has them', () => {
  const counts = fc.array(fc.nat(1000), { minLength: BUCKETS_MS.length + 1, maxLength: BUCKETS_MS.length + 1 })
  fc.assert(
    fc.property(counts, buckets => {
      const quantiles = quantilesOf(buckets)
      const count = buckets.reduce((a, b) => a + b, 0)
      if (count === 0) {
        assert.equal(quantiles, null)
        return
      }
      const { p50, p99, max } = quantiles!
      assert.equal(quantiles!.count, count)
      assert.ok(p50 <= p99 && p99 <= max && p50 > 0)
      const atMost = (ms: number) => buckets.reduce((sum, n, i) => ((BUCKETS_MS[i] ?? 5000) <= ms ? sum + n : sum), 0)
      const bound = BUCKETS_MS.find(ms => ms >= p50) ?? 5000
      assert.ok(atMost(bound) >= count / 2)
    }),
  )
})

test('framed values come back, and a cut body is refused', async () => {
  const values = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 })
  const options = { wrap: 'none' as const, framed: true, cast: () => (_: string, field: string) => field }
  await fc.assert(
    fc.asyncProperty(values, fc.nat(), async (given, cut) => {
      const frames = given.map(value => {
        const frame = Buffer.alloc(4 + value.length)
        frame.writeUInt32BE(value.length)
        frame.set(value, 4)
        return frame
      })
      const body = Buffer.concat(frames)
      const items = [...(await openBody(body, BODY_TYPES.avro, options))]
      assert.deepEqual(
        items.map(item => new Uint8Array(item.bytes!.subarray(item.start, item.end))),
        given,
      )
      const ends = new Set([0])
      let end = 0
      for (const frame of frames) {
        end += frame.length
        ends.add(end)
      }
      const length = body.length === 0 ? 0 : cut % body.length
      if (ends.has(length)) return
      const partial = await openBody(body.subarray(0, length), BODY_TYPES.avro, options)
      assert.throws(() => [...partial], { code: 'BODY_INVALID' })
    }),
  )
})

test('settings come from the environment where the code says nothing', () => {
  const environment = { ALDEBARAN_TOKENS: ' first-token-of-many , second-token-of-many,' }
  const compiled = compileHttpSettings({ host: '0.0.0.0' }, environment)
  assert.deepEqual(compiled.tokens, ['first-token-of-many', 'second-token-of-many'])
  assert.equal(compiled.loopback, false)
  assert.equal(compiled.bodyLimit, 16_000_000)
  assert.equal(compileHttpSettings({}, {}).loopback, true)
  const message = (() => {
    try {
      compileHttpSettings({ tokens: ['secret text'] }, {})
    } catch (error) {
      return String(error)
    }
    return ''
  })()
  assert.match(message, /tokens/)
  assert.ok(!message.includes('secret'), 'a token is never told')
})
