/** Files of stored forecasts over HTTP: bounded, broken off rather than cut short, and ended with whoever takes them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { Readable } from 'node:stream'
import { afterEach, test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import type { ExportSettings } from '../store/export.ts'
import { type Exporter, Exports } from './exports.ts'
import { type SiteSettings, WeatherSite } from './test/site.ts'

let site: WeatherSite | null = null
afterEach(async () => {
  await site?.close()
  site = null
})

async function open(settings: SiteSettings): Promise<string> {
  site = await WeatherSite.open(settings)
  return `${site.running.url}/weather/export`
}

async function refusal(response: Response): Promise<[number, string, string]> {
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  return [response.status, error.code, error.message]
}

/** Gives one piece, and another at each `more`, until it is told to end or nobody wants more. */
class Source {
  readonly asked: ExportSettings[] = []
  readonly ended = Promise.withResolvers<void>()
  readonly #waiting: PromiseWithResolvers<string | null>[] = [Promise.withResolvers()]

  more(text: string | null): void {
    this.#waiting.at(-1)!.resolve(text)
    this.#waiting.push(Promise.withResolvers())
  }

  readonly exporter: Exporter = settings => this.#chunks(settings)

  async *#chunks(settings: ExportSettings): AsyncGenerator<Uint8Array> {
    this.asked.push(settings)
    try {
      for (let text: string | null = 'first\n', i = 0; text !== null; text = await this.#waiting[i++]!.promise) {
        yield Buffer.from(text)
      }
    } finally {
      this.ended.resolve()
    }
  }
}

test('an export is sent piece by piece, of the time and in the format that was asked for', async () => {
  const source = new Source()
  const url = await open({ exporter: source.exporter })
  const response = await fetch(`${url}?from=2024-07-01T12:00:00Z&to=1719838800000`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/csv; charset=utf-8; header=present')
  assert.equal(response.headers.get('content-disposition'), 'attachment; filename="forecasts.csv"')
  assert.equal(response.headers.get('cache-control'), 'no-store')
  source.more('second\n')
  source.more(null)
  assert.equal(await response.text(), 'first\nsecond\n')
  const parquet = await fetch(`${url}?format=parquet`)
  assert.equal(parquet.headers.get('content-type'), 'application/vnd.apache.parquet')
  await parquet.text()
  assert.deepEqual(source.asked, [
    { from: Date.UTC(2024, 6, 1, 12), to: 1719838800000, format: 'csv' },
    { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, format: 'parquet' },
  ])
})

test('what cannot be exported is told with a code before anything is sent', async () => {
  let url = await open({})
  const [status, code, message] = await refusal(await fetch(url))
  assert.deepEqual([status, code], [404, 'NOT_FOUND'])
  assert.match(message, /WEATHER_DATABASE_URL or WEATHER_DATABASE_FOLDER/)
  await site!.close()
  url = await open({
    async *exporter() {
      yield* []
      throw new AldebaranError('POSTGRES_UNAVAILABLE', 'the server is away')
    },
  })
  for (const query of ['?format=xml', '?from=yesterday', '?from=2000&to=1000', '?since=1']) {
    assert.deepEqual((await refusal(await fetch(url + query))).slice(0, 2), [400, 'OPTION_INVALID'], query)
  }
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await refusal(await fetch(url)), [503, 'POSTGRES_UNAVAILABLE', 'the server is away'])
  }
})

test('what fails in the middle is broken off, and does not look like a whole file', async () => {
  const url = await open({
    async *exporter() {
      yield Buffer.from('first\n')
      throw new AldebaranError('POSTGRES_UNAVAILABLE', 'the server is away')
    },
  })
  const response = await fetch(url)
  assert.equal(response.status, 200)
  await assert.rejects(response.text())
})

test('only so many are under way; one whose client goes makes room', async () => {
  const source = new Source()
  const url = await open({ exporter: source.exporter, exports: 1 })
  const client = request(url, { agent: false }).end()
  const [response] = (await once(client, 'response')) as [IncomingMessage]
  assert.equal(response.statusCode, 200)
  const busy = await fetch(url)
  assert.equal(busy.headers.get('retry-after'), '1')
  assert.deepEqual((await refusal(busy)).slice(0, 2), [503, 'BUSY'])
  client.destroy()
  let next = busy
  while (next.status === 503) next = await fetch(url)
  source.more(null)
  assert.equal(await next.text(), 'first\n')
  await source.ended.promise
})

test('an export does not keep the application from stopping', async () => {
  const source = new Source()
  const response = await fetch(await open({ exporter: source.exporter }))
  const broken = assert.rejects(response.text())
  const closed = site!.close()
  site = null
  await closed
  await broken
  source.more(null)
  await source.ended.promise
})

test('one of which nothing is taken any more ends', async () => {
  const source = new Source()
  const exports = new Exports({ exporter: source.exporter, most: 1, idleMs: 1 })
  const { body } = await exports.answer({ format: 'csv' })
  const stream = body as Readable
  const [error] = await once(stream, 'error')
  assert.match(String(error), /nobody takes/)
  await source.ended.promise
  assert.equal(exports.open, 0)
})
