/** Answers that are ready, in a table of their own: what is sent, what is dropped, what is left to the usual way. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { AldebaranError } from '../errors.ts'
import { codingFor } from './content-coding.ts'
import { ReadyAnswer, type ReadyAnswerSettings } from './ready-answer.ts'
import { ReadyAnswers, type ReadyAnswersSettings } from './ready-answers.ts'

const counts: string[] = []

function table(settings: Partial<ReadyAnswersSettings> = {}): ReadyAnswers {
  return new ReadyAnswers({
    admits: ({ headers }) => headers.authorization === 'yes',
    headers: ['x-of-all', '1'],
    isPrivate: false,
    counted: (route, status) => counts.push(`${route} ${status}`),
    ...settings,
  })
}

function answer(settings: Partial<ReadyAnswerSettings> = {}): ReadyAnswer {
  return new ReadyAnswer({ body: '{"a":1}', version: 'v1', maxAge: 5000, ...settings })
}

/** What a server with this table answers; 599: it is left to the usual way. */
async function ask(ready: ReadyAnswers, path: string, headers: Record<string, string> = {}, method = 'GET') {
  const server = createServer((request, response) => {
    if (!ready.answer(request, response)) response.writeHead(599).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const url = `http://127.0.0.1:${port}${path}`
  const response = await fetch(url, { method, headers: { authorization: 'yes', ...headers } })
  const text = await response.text()
  server.close()
  server.closeAllConnections()
  return { status: response.status, headers: response.headers, text }
}

test('an answer that is kept is sent until it is dropped, and counted', async () => {
  counts.length = 0
  const ready = table()
  const one = answer()
  ready.keep('/a?b=1', '/a', one)
  const { status, headers, text } = await ask(ready, '/a?b=1')
  assert.deepEqual([status, text], [200, '{"a":1}'])
  assert.equal(headers.get('etag'), '"v1"')
  assert.equal(headers.get('cache-control'), 'public, max-age=5')
  assert.equal(headers.get('content-length'), '7')
  assert.equal(headers.get('x-of-all'), '1')
  assert.equal((await ask(ready, '/a?b=1', { 'if-none-match': '"v1"' })).status, 304)
  assert.deepEqual(counts, ['/a 200', '/a 304'])
  one.drop()
  assert.equal((await ask(ready, '/a?b=1')).status, 599)
  assert.equal(ready.count, 0)
  assert.equal(ready.bytes, 0)
})

test('what is not a plain GET by one who is admitted goes the usual way', async () => {
  const ready = table()
  ready.keep('/a', '/a', answer())
  assert.equal((await ask(ready, '/a', { authorization: 'no' })).status, 599)
  assert.equal((await ask(ready, '/a', {}, 'POST')).status, 599)
  assert.equal((await ask(ready, '/a', {}, 'HEAD')).status, 599)
  assert.equal((await ask(ready, '/A')).status, 599)
  ready.close()
  assert.equal((await ask(ready, '/a')).status, 599)
})

test('a coding that was not made yet goes the usual way, which makes it once', async () => {
  const ready = table({ isPrivate: true })
  const body = JSON.stringify(Array.from({ length: 2000 }, (_, i) => i))
  const one = answer({ body, maxAge: 0 })
  ready.keep('/long', '/long', one)
  assert.equal((await ask(ready, '/long', { 'accept-encoding': 'br' })).status, 599)
  const [first, second] = await Promise.all([one.makeVariant('br', true), one.makeVariant('br', true)])
  assert.equal(first, second)
  assert.equal(brotliDecompressSync(first.body).toString(), body)
  assert.equal(gunzipSync((await one.makeVariant('gzip', true)).body).toString(), body)
  assert.equal(first.etag, '"v1-br"')
  assert.ok(first.headers.includes('no-cache'))
  const sent = await ask(ready, '/long', { 'accept-encoding': 'gzip, br;q=0.5' })
  assert.equal(sent.headers.get('content-encoding'), 'gzip')
  assert.equal(sent.text, body)
  const before = ready.bytes
  ready.keep('/long', '/long', one)
  assert.ok(ready.bytes > before, 'the codings count')
})

test('what is kept is bounded in number and in bytes; what goes is dropped, and so is what cannot be kept', () => {
  const ready = table({ mostAnswers: 3, mostBytes: 10_000 })
  const dropped: number[] = []
  const keep = (number: number, body = 'x') => {
    const one = answer({ body })
    one.onDrop = () => dropped.push(number)
    ready.keep(`/${number}`, '/:number', one)
  }
  for (let number = 0; number < 5; number++) keep(number)
  assert.deepEqual(dropped, [0, 1])
  assert.equal(ready.count, 3)
  keep(5, 'x'.repeat(8000))
  assert.ok(ready.bytes <= 10_000)
  assert.ok(dropped.includes(2))
  keep(6, 'x'.repeat(10_000))
  assert.equal(dropped.at(-1), 6)
  const long = answer()
  ready.keep(`/${'u'.repeat(2000)}`, '/:number', long)
  assert.equal(long.isDropped, true)
  const [old, young] = [answer(), answer({ version: 'v2' })]
  ready.keep('/same', '/same', old)
  ready.keep('/same', '/same', young)
  assert.deepEqual([old.isDropped, young.isDropped], [true, false])
  ready.close()
  assert.deepEqual([young.isDropped, ready.count, ready.bytes], [true, 0, 0])
})

test('codings are chosen by weight, brotli first among equals', () => {
  const cases = {
    'gzip, deflate, br': 'br',
    'gzip;q=1.0, br;q=0.2': 'gzip',
    'br;q=0, gzip': 'gzip',
    '*': 'br',
    '*;q=0': 'identity',
    identity: 'identity',
    '': 'identity',
    GZIP: 'gzip',
    'br;q=nonsense': 'identity',
  }
  for (const [accepted, coding] of Object.entries(cases)) assert.equal(codingFor(accepted), coding, accepted)
})

test('a version that cannot be an ETag is refused', () => {
  for (const version of ['', 'a"b', 'a\r\nb', 'ü', 'x'.repeat(201)]) {
    assert.throws(
      () => answer({ version }),
      (error: unknown) => error instanceof AldebaranError && error.code === 'OPTION_INVALID',
    )
  }
})
