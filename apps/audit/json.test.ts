import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import fc from 'fast-check'
import { messageToJson, parseMessage } from './json.ts'
import type { IdSpelling } from './schemas.ts'

const request = { id: 'o-1', '#shares': 100, client: 'ACME', stock: 'XYZ' }
const purchase = { id: 'p-1', initial_order_id: 'o-1', '#shares': 60, client: 'ACME', stock: 'XYZ' }

/** The path of the refused field. */
function refused(json: unknown, ids: IdSpelling = 'text'): unknown {
  try {
    parseMessage(json, ids)
  } catch (error) {
    assert.ok(error instanceof AldebaranError, String(error))
    assert.equal(error.code, 'VALUE_INVALID')
    assert.ok(error.message.length < 200, 'the message is short')
    assert.doesNotMatch(error.message, /[\r\n]/)
    return error.details.path
  }
  return 'accepted'
}

describe('messages', () => {
  test('without initial_order_id it is a request', () => {
    const expected = { kind: 'request', id: 'o-1', shares: 100, client: 'ACME', stock: 'XYZ', ts: null }
    assert.deepEqual(parseMessage(request, 'text'), expected)
  })

  test('with initial_order_id it is a purchase', () => {
    assert.deepEqual(parseMessage({ ...purchase, ts: 5 }, 'text'), {
      kind: 'purchase',
      id: 'p-1',
      orderId: 'o-1',
      shares: 60,
      client: 'ACME',
      stock: 'XYZ',
      ts: 5,
    })
  })

  test('initial_order_id of null or nothing is a purchase that does not fit, not a request', () => {
    assert.equal(refused({ ...request, initial_order_id: null }), 'initial_order_id')
    assert.equal(refused({ ...request, initial_order_id: undefined }), 'initial_order_id')
    assert.equal(refused({ ...request, initial_order_id: '' }), 'initial_order_id')
  })

  test('a purchase may leave its client out, a request may not', () => {
    const { client: _, ...anonymous } = purchase
    assert.equal(parseMessage(anonymous, 'text').client, '')
    const { client: __, ...nobody } = request
    assert.equal(refused(nobody), 'client')
    assert.equal(refused({ ...purchase, client: null }), 'client')
  })

  test('fields that are not named are ignored', () => {
    assert.deepEqual(parseMessage({ ...request, price: 1.5, kind: 'purchase' }, 'text'), parseMessage(request, 'text'))
  })

  test('what is written is read back equal', () => {
    const text = fc.stringMatching(/^[A-Za-z0-9 ü→😀-]{1,40}$/u)
    const ts = fc.option(fc.nat(), { nil: null })
    const shares = fc.integer({ min: 1, max: 2 ** 31 - 1 })
    const common = { shares, stock: text, ts }
    const plain = { noNullPrototype: true }
    const roundTrip = (ids: IdSpelling, id: fc.Arbitrary<string | number>): void => {
      const kinds = fc.oneof(
        fc.record({ kind: fc.constant('request' as const), id, client: text, ...common }, plain),
        fc.record(
          {
            kind: fc.constant('purchase' as const),
            id,
            orderId: id,
            client: fc.oneof(text, fc.constant('')),
            ...common,
          },
          plain,
        ),
      )
      fc.assert(
        fc.property(kinds, message => {
          const json: unknown = JSON.parse(JSON.stringify(messageToJson(message)))
          assert.deepEqual(parseMessage(json, ids), message)
        }),
      )
    }
    roundTrip('text', text)
    roundTrip('integer', fc.maxSafeInteger())
  })
})

describe('ids', () => {
  const orderId = (ids: IdSpelling, id: unknown): unknown => {
    const message = parseMessage({ ...purchase, id: 1, initial_order_id: id }, ids)
    return message.kind === 'purchase' ? message.orderId : undefined
  }

  test('text mode takes texts as they are and integers as their digits', () => {
    assert.equal(orderId('text', 42), '42')
    assert.equal(orderId('text', -7), '-7')
    assert.equal(orderId('text', '042'), '042')
    assert.equal(orderId('text', -0), '0')
    assert.equal(orderId('text', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'), 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6')
    assert.equal(orderId('text', 'x'.repeat(255)), 'x'.repeat(255))
  })

  test('integer mode takes integers and their one plain text', () => {
    assert.equal(orderId('integer', 42), 42)
    assert.equal(orderId('integer', '42'), 42)
    assert.equal(orderId('integer', '-42'), -42)
    assert.equal(orderId('integer', '0'), 0)
    assert.ok(Object.is(orderId('integer', -0), 0))
    assert.equal(orderId('integer', '9007199254740991'), Number.MAX_SAFE_INTEGER)
  })

  test('integer mode refuses every other text', () => {
    const spellings = ['', ' 42', '42 ', '042', '+42', '-0', '4e1', '0x2a', '42.0', '1_000', '٤٢', 'o-1', 'NaN', '4\n']
    for (const id of [...spellings, '9007199254740992', '9'.repeat(400)]) {
      assert.equal(refused({ ...request, id }, 'integer'), 'id', id)
      assert.equal(refused({ ...purchase, id: 1, initial_order_id: id }, 'integer'), 'initial_order_id', id)
    }
  })

  test('numbers that are not exact integers are refused in both modes', () => {
    for (const id of [Number.NaN, Number.POSITIVE_INFINITY, 1.5, 2 ** 53, -(2 ** 53), 1e300]) {
      for (const ids of ['text', 'integer'] as const) assert.equal(refused({ ...request, id }, ids), 'id', String(id))
    }
  })
})

describe('naughty input', () => {
  test('what is not an object is refused as a whole', () => {
    for (const json of [undefined, null, true, 0, '', 'text', [], [request], () => request, Symbol('x'), 10n]) {
      assert.equal(refused(json), '')
    }
  })

  test('an empty object lacks its id', () => {
    assert.equal(refused({}), 'id')
    assert.equal(refused(Object.create(null)), 'id')
  })

  test('each missing field is named', () => {
    for (const field of Object.keys(request)) {
      const { [field as keyof typeof request]: _, ...rest } = request
      assert.equal(refused(rest), field)
    }
  })

  test('shares are whole, 1 to 2^31 - 1, and a number', () => {
    const wrong = [
      0,
      -0,
      -1,
      0.5,
      1.5,
      2 ** 31,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      '100',
      '',
      null,
      true,
      [],
      [1],
      {},
      10n,
    ]
    for (const shares of wrong) assert.equal(refused({ ...request, '#shares': shares }), '#shares', String(shares))
    assert.equal(parseMessage({ ...request, '#shares': 2 ** 31 - 1 }, 'text').shares, 2 ** 31 - 1)
    assert.equal(parseMessage(JSON.parse('{"id":1,"#shares":1e2,"client":"c","stock":"s"}'), 'text').shares, 100)
  })

  test('1e400 in the text of the message is infinite, so refused', () => {
    assert.equal(refused(JSON.parse('{"id":1,"#shares":1e400,"client":"c","stock":"s"}')), '#shares')
    assert.equal(refused(JSON.parse('{"id":1e400,"#shares":1,"client":"c","stock":"s"}'), 'integer'), 'id')
  })

  test('texts are texts of 1 to 255 characters', () => {
    for (const field of ['id', 'client', 'stock']) {
      for (const value of ['', 'x'.repeat(256), 'x'.repeat(5_000_000), null, true, {}, [], ['a'], { a: { b: {} } }]) {
        assert.equal(refused({ ...request, [field]: value }), field)
      }
      assert.equal(refused({ ...request, [field]: '😀'.repeat(127) }), 'accepted')
    }
    assert.equal(refused({ ...request, client: 5 }), 'client')
  })

  test('control characters and halves of surrogate pairs are refused', () => {
    for (const bad of ['a\u0000b', '\n', 'a\r\nb', '\u001b[31m', '\u007f', '\u0085', '\ud800', 'a\udc00b']) {
      for (const field of ['id', 'client', 'stock']) assert.equal(refused({ ...request, [field]: bad }), field)
    }
  })

  test('markup, injections and other scripts are only texts', () => {
    for (const text of [
      "'; DROP TABLE books; --",
      '<script>alert(1)</script>',
      'Ω≈ç√',
      '社會科學院',
      '__proto__',
      '$(x) %s {{x}}',
    ]) {
      const message = parseMessage({ id: text, '#shares': 1, client: text, stock: text }, 'text')
      assert.deepEqual([message.id, message.client, message.stock], [text, text, text])
    }
  })

  test('inherited fields do not count and prototypes are left alone', () => {
    const json: unknown = JSON.parse('{"__proto__":{"id":"x","#shares":1,"client":"c","stock":"s"}}')
    assert.equal(refused(json), 'id')
    assert.equal(refused(Object.create(request)), 'id')
    const own: unknown = JSON.parse(JSON.stringify(request).replace('{', '{"__proto__":{"initial_order_id":"o"},'))
    assert.equal(parseMessage(own, 'text').kind, 'request')
    assert.equal(({} as Record<string, unknown>).initial_order_id, undefined)
  })

  test('ts is a whole number of microseconds', () => {
    for (const ts of [-1, 1.5, 2 ** 53, Number.NaN, '5', null, '2024-01-01T00:00:00Z', {}]) {
      assert.equal(refused({ ...request, ts }), 'ts', String(ts))
    }
    assert.equal(parseMessage({ ...request, ts: 0 }, 'text').ts, 0)
  })

  test('whatever JSON comes, it is a message or a VALUE_INVALID', () => {
    const field = fc.constantFrom('id', '#shares', 'client', 'stock', 'initial_order_id', 'ts', '__proto__', 'other')
    const object = fc.dictionary(field, fc.oneof(fc.jsonValue(), fc.integer(), fc.string()))
    fc.assert(
      fc.property(
        fc.oneof(object, fc.jsonValue()),
        fc.constantFrom('text' as const, 'integer' as const),
        (json, ids) => {
          const path = refused(json, ids)
          assert.equal(typeof path, 'string')
        },
      ),
      { numRuns: 500 },
    )
  })
})
