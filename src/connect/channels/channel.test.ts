import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { accept, clip, clipBytes, oneLine, recipientOf, uuidOf } from './channel.ts'
import { alert, attempt, fails } from './test/apparatus.ts'
import { Wording } from './wording.ts'

test('a message is cut to its bounds, and its title is one line', () => {
  const { title, text, source } = accept(
    alert({ title: `a\r\nb\u2028c${'x'.repeat(500)}`, text: 'y'.repeat(99_999), source: 's\tt' }),
    attempt(),
  )
  assert.equal(title.length, 200)
  assert.ok(title.startsWith('a b cxx') && title.endsWith('…'))
  assert.equal(text.length, 16_000)
  assert.equal(source, 's t')
})

test('what is no alert is rejected, with the reason', async () => {
  const loop: Record<string, unknown> = {}
  loop.self = loop
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ title: 7 }, /texts/],
    [{ severity: 'loud' }, /severity/],
    [{ time: Number.NaN }, /time/],
    [{ time: 1e300 }, /time/],
    [{ data: [1] }, /data/],
    [{ data: loop }, /JSON/],
    [{ data: { big: 'x'.repeat(70_000) } }, /70010 bytes/],
  ]
  for (const [change, why] of wrong) {
    const error = await fails((async () => accept({ ...alert(), ...change }, attempt()))(), 'reject')
    assert.match(error.message, why)
  }
})

test('what was given up before it began was not sent', async () => {
  await fails((async () => accept(alert(), attempt('a', AbortSignal.abort())))(), 'retry')
})

test('a recipient that is found is one line of text, or the alert is rejected', async () => {
  assert.equal(
    recipientOf(({ source }) => `to-${source}`, alert(), attempt()),
    'to-account-7',
  )
  const wrong = [() => '', () => 'a\nb', () => 7 as never, () => assert.fail('a defect of the user')]
  for (const find of wrong) await fails((async () => recipientOf(find, alert(), attempt()))(), 'reject')
})

test('an id has one UUID, and two ids have two', () => {
  assert.equal(uuidOf('orders-0-41'), uuidOf('orders-0-41'))
  assert.notEqual(uuidOf('orders-0-41'), uuidOf('orders-0-42'))
  fc.assert(
    fc.property(fc.string(), id => {
      assert.match(uuidOf(id), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    }),
  )
})

test('a text that is cut fits, is well-formed, and is no shorter than it must be', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.integer({ min: 3, max: 60 }), (text, most) => {
      const cut = clip(text, most)
      assert.ok(cut.length <= most && cut.isWellFormed())
      const bytes = clipBytes(text, most, Buffer.byteLength)
      assert.ok(Buffer.byteLength(bytes) <= most && bytes.isWellFormed())
      if (Buffer.byteLength(text) <= most) assert.equal(bytes, text)
      else assert.ok(Buffer.byteLength(bytes) > most - 8)
    }),
  )
})

test('no control character is left in one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => assert.doesNotMatch(oneLine(text), /[\p{Cc}\u2028\u2029]/u)),
  )
})

test('what others say is repeated without secrets, also encoded ones', () => {
  const wording = new Wording(['p&ss', ''])
  const encoded = Buffer.from('p&ss').toString('base64')
  assert.equal(wording.of(`no p&ss,\r\nno p%26ss, no ${encoded}`), 'no ***, no ***, no ***')
  assert.equal(wording.of({ not: 'a text' }), '')
  assert.equal(wording.of('x'.repeat(1000)).length, 300)
})
