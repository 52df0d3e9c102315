import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { POISON } from './http-application.ts'
import { TestSite } from './http-site.ts'

let site: TestSite
beforeEach(async () => {
  site = await TestSite.open()
})
afterEach(() => site.close())

async function poison(...ids: number[]): Promise<void> {
  const records = ids.map(id => ({
    value: { id, client: 'p', amount: POISON },
    timestamp: 5000 + id,
    headers: { trace: `t${id}` },
  }))
  await site.postJson('/topics/orders/records?wrap=records', { records })
  await site.processed()
}

async function letters(query = ''): Promise<{ offset: number; key: number; state: string }[]> {
  return (await site.get(`/dead-letters?${query}`)).body.letters
}

test('a letter tells the reason, the place and the value', async () => {
  await poison(1)
  const { body } = await site.get('/dead-letters')
  assert.equal(body.open, 1)
  const letter = body.letters[0]!
  assert.equal(letter.code, 'HANDLER_THREW')
  assert.equal(letter.message, `an amount of ${POISON}`)
  assert.equal(letter.source.topic, 'orders')
  assert.equal(letter.source.offset, 0)
  assert.equal(letter.source.timestamp, 5001)
  assert.deepEqual(letter.headers, { trace: 't1' })
  assert.equal(letter.key, 1)
  assert.equal(letter.value.amount, POISON)
  assert.equal(letter.state, 'open')
  assert.deepEqual((await site.get(`/dead-letters/${letter.offset}`)).body, letter)
  assert.equal((await site.get('/dead-letters/99')).body.error.code, 'NOT_FOUND')
  assert.equal((await site.get('/dead-letters/x')).status, 400)
})

test('what cannot be decoded becomes a letter that shows its bytes', async () => {
  const batch = new BatchWriter()
  batch.append(1, null, -1, -1, Buffer.from([255]), 0, 1)
  batch.append(2, null, -1, -1, null, -1, -1)
  await site.running.log.commit({ appends: [{ topic: 'orders', partition: 0, batch: batch.finish() }] })
  await site.processed()
  const { body } = await site.get('/dead-letters?code=VALUE_UNDECODABLE')
  assert.equal(body.letters.length, 2)
  assert.equal(body.letters[1]!.valueBase64, '/w==')
  assert.equal(body.letters[1]!.valueError.code, 'VALUE_UNDECODABLE')
  assert.equal(body.letters[0]!.value, null)
  await site.postJson('/dead-letters/replay', { all: true })
  const { records } = (await site.get('/topics/orders/records?partition=0&limit=2')).body
  assert.equal(records[1]!.value, null, 'a null stays a null')
  assert.equal('valueError' in records[1]!, false)
})

test('the newest letters come first, page by page, and are chosen by code, topic and state', async () => {
  await poison(...Array.from({ length: 30 }, (_, i) => i))
  const offsets: number[] = []
  for (let before: number | null = 1e6; before !== null; ) {
    const { body } = await site.get(`/dead-letters?limit=7&before=${before}`)
    offsets.push(...body.letters.map(letter => letter.offset))
    before = body.before
  }
  assert.deepEqual(
    offsets,
    Array.from({ length: 30 }, (_, i) => 29 - i),
  )
  assert.equal((await letters('code=NOTHING')).length, 0)
  assert.equal((await letters('topic=orders&limit=100')).length, 30)
  assert.equal((await letters('topic=notes')).length, 0)
  await site.postJson('/dead-letters/purge', { offsets: [3, 4] })
  assert.deepEqual(
    (await letters('state=purged')).map(letter => letter.offset),
    [4, 3],
  )
  assert.equal((await site.get('/dead-letters')).body.open, 28)
})

test('a replay appends the record as it was, once, however often it is asked for', async () => {
  await poison(7, 8)
  const asked = Array.from({ length: 8 }, () => site.postJson('/dead-letters/replay', { offsets: [0, 1, 0] }))
  const answers = (await Promise.all(asked)).map(answer => answer.body)
  assert.equal(
    answers.reduce((sum, answer) => sum + answer.changed, 0),
    2,
  )
  assert.equal(
    answers.reduce((sum, answer) => sum + answer.skipped.length, 0),
    14,
  )
  await site.processed()
  const { records } = (await site.get('/topics/orders/records?key=7')).body
  assert.equal(records.length, 2)
  assert.equal(records[1]!.timestamp, 5007)
  assert.equal(records[1]!.headers.trace, 't7')
  assert.match(String(records[1]!.headers['aldebaran.replay-of']), /^shop\.dead-letters:\d$/)
  assert.equal((await site.get('/tables/shop/books/rows/7')).body.fields.orders, 1)
  assert.deepEqual(
    (await letters()).map(letter => letter.state),
    ['replayed', 'replayed'],
  )
  assert.equal((await site.get('/dead-letters')).body.open, 0)
})

test('all means the letters there were, chosen by code and topic', async () => {
  await poison(1, 2, 3)
  assert.equal((await site.postJson('/dead-letters/replay', { all: true, topic: 'notes' })).body.changed, 0)
  assert.equal((await site.postJson('/dead-letters/purge', { offsets: [0] })).body.changed, 1)
  const answer = await site.postJson('/dead-letters/replay', { all: true, code: 'HANDLER_THREW' })
  assert.equal(answer.body.changed, 2)
  await site.processed()
  assert.equal((await letters()).length, 3)
  assert.equal((await site.postJson('/dead-letters/replay', { all: true })).body.changed, 0)
})

test('the letter of a timer says that it cannot be replayed, and can be purged', async () => {
  await site.postJson('/topics/orders/records', { id: 5, client: 'unforgettable', amount: 1, note: 'late' })
  await site.until(async () => (await letters()).length === 1)
  const letter = (await site.get('/dead-letters')).body.letters[0]!
  assert.equal(letter.timer, 'books/forget')
  assert.equal(letter.source, null)
  assert.equal(letter.key, 5)
  assert.equal(letter.value.client, 'unforgettable')
  assert.match(letter.notReplayable, /timer/)
  const { body } = await site.postJson('/dead-letters/replay', { offsets: [0, 55] })
  assert.deepEqual(
    body.failed.map(one => [one.offset, one.code]),
    [
      [0, 'NOT_REPLAYABLE'],
      [55, 'NOT_FOUND'],
    ],
  )
  assert.equal((await site.postJson('/dead-letters/purge', { all: true })).body.changed, 1)
})

test('selections that are malformed are refused', async () => {
  const wrong = ['[]', '{}', '{"offsets":[1],"all":true}', '{"all":false}', '{"offsets":[-1]}', '{"offsets":1}', 'null']
  for (const body of [...wrong, '{"offsets":[1.5]}', '{"all":true,"more":1}', '{"offsets":[1],"code":"X"}', '']) {
    const answer = await site.post('/dead-letters/replay', body)
    assert.equal(answer.status, 400, body)
    assert.equal(answer.body.error.code, 'BODY_INVALID', body)
  }
})

test('letters are chosen by when they became letters, and by where they were not delivered', async () => {
  await poison(1)
  const { time } = (await site.get('/dead-letters')).body.letters[0]!
  assert.equal((await letters(`since=${time}&until=${time + 1}`)).length, 1)
  assert.equal((await letters(`since=${time + 1}`)).length, 0)
  assert.equal((await letters(`until=${time}`)).length, 0)
  assert.equal((await letters('destination=nobody')).length, 0)
  for (const choice of [{ until: time }, { since: time + 1 }, { destination: 'nobody' }]) {
    assert.equal((await site.postJson('/dead-letters/purge', { all: true, ...choice })).body.changed, 0)
  }
  for (const body of [
    { all: true, since: 'soon' },
    { all: true, until: -1 },
    { all: true, destination: 1 },
    { offsets: [0], since: 0 },
  ]) {
    const answer = await site.postJson('/dead-letters/purge', body)
    assert.deepEqual([answer.status, answer.body.error.code], [400, 'BODY_INVALID'], JSON.stringify(body))
  }
  assert.equal((await site.postJson('/dead-letters/purge', { all: true, since: time })).body.changed, 1)
})

test('a letter is edited and replayed: its record has another value, and its place, key and time', async () => {
  await poison(7)
  const value = { id: 7, client: 'p', amount: 12, express: false, note: null }
  const edit = { value, headers: { trace: null, fixed: 'by hand' } }
  const { status, body } = await site.postJson('/dead-letters/replay', { offsets: [0], edit })
  assert.equal(status, 200)
  assert.deepEqual(body, { changed: 1, skipped: [], failed: [] })
  await site.processed()
  const { records } = (await site.get('/topics/orders/records?key=7')).body
  assert.equal(records.length, 2)
  assert.deepEqual(records[1]!.value, value)
  assert.equal(records[1]!.timestamp, 5007)
  const { 'aldebaran.replay-of': of, ...headers } = records[1]!.headers
  assert.equal(of, 'shop.dead-letters:0')
  assert.deepEqual(headers, { fixed: 'by hand' })
  const [letter, ...others] = await letters()
  assert.equal(letter?.state, 'replayed')
  assert.deepEqual(others, [], 'it was processed this time')
  const again = await site.postJson('/dead-letters/replay', { offsets: [0], edit })
  assert.deepEqual(again.body.skipped, [{ offset: 0, state: 'replayed' }])
})

test('an edited value that does not fit changes nothing, and says why', async () => {
  await poison(7)
  for (const [body, code, message] of [
    [{ offsets: [0], edit: { value: { id: 'x' } } }, 'VALUE_INVALID', /id/],
    [{ offsets: [0], edit: { valueBase64: '/w==' } }, 'VALUE_UNDECODABLE', /./],
    [{ offsets: [0], edit: { valueBase64: 'no base64!' } }, 'VALUE_INVALID', /base64/],
    [{ offsets: [0], edit: { value: {}, valueBase64: '' } }, 'VALUE_INVALID', /give one/],
    [{ offsets: [0], edit: { headers: { 'aldebaran-destination': 'x' } } }, 'VALUE_INVALID', /stays as it is/],
    [{ offsets: [0], edit: { headers: { trace: 1 } } }, 'VALUE_INVALID', /must be text/],
    [{ offsets: [0], edit: { key: 8 } }, 'VALUE_INVALID', /edit\.key/],
    [{ offsets: [0], edit: {} }, 'VALUE_INVALID', /one of/],
    [{ offsets: [0, 1], edit: { value: {} } }, 'BODY_INVALID', /one offset/],
    [{ all: true, edit: { value: {} } }, 'BODY_INVALID', /one offset/],
  ] as const) {
    const answer = await site.postJson('/dead-letters/replay', body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.equal(answer.body.error.code, code, JSON.stringify(body))
    assert.match(answer.text, message)
  }
  const purged = await site.postJson('/dead-letters/purge', { offsets: [0], edit: { value: {} } })
  assert.equal(purged.body.error.code, 'BODY_INVALID')
  assert.equal((await letters())[0]?.state, 'open')
  assert.equal((await site.postJson('/dead-letters/replay', { offsets: [0] })).body.changed, 1)
})
