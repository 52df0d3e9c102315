/** The weather platform with a schema registry: readings in its wire format and over HTTP, good ones once, bad ones as dead letters. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Weather } from '../../apps/weather/app.ts'
import { weatherFromEnvironment } from '../../apps/weather/environment.ts'
import { type Forecast, type Reading, readingSchema } from '../../apps/weather/schemas.ts'
import { embedded, Producer, type Running, run, schemaRegistry } from '../../src/index.ts'
import { encode } from './auditor.ts'
import { type Answer, TestSite } from './http-site.ts'

/** Readings that come late are told again, so that each is counted, however slow the machine is. */
const SETTINGS = {
  WEATHER_WINDOW: '1s',
  WEATHER_OUT_OF_ORDERNESS: '0s',
  WEATHER_IDLE_AFTER: '50ms',
  WEATHER_ALLOWED_LATENESS: '1h',
  WEATHER_PARTITIONS: '2',
}
const SUBJECT = 'weather_input_topic-value'
const HOUR_MS = 3_600_000

/** Serves the registry. */
let registry: TestSite
let others: ReturnType<typeof schemaRegistry>
let folder: string
let weather: Weather
let running: Running
/** The weather platform. */
let site: TestSite

before(async () => {
  registry = await TestSite.open()
  const url = `${registry.url}/registry`
  others = schemaRegistry({ url })
  Object.assign(process.env, SETTINGS, { WEATHER_REGISTRY: url })
  folder = await mkdtemp(join(tmpdir(), 'aldebaran-weather-registry-'))
  weather = weatherFromEnvironment(process.env)
  await start()
})

async function start(): Promise<void> {
  running = await run(weather.application, {
    log: embedded(join(folder, 'log'), { durability: 'process' }),
    http: { port: 0, tokens: [], console: false },
    entry: new URL('../../apps/weather/entry.ts', import.meta.url),
    signals: false,
    report: () => {},
  })
  site = new TestSite(running, running.url!, () => running.stop())
}

after(async () => {
  await site.close()
  others.close()
  await registry.close()
  await rm(folder, { recursive: true })
  for (const name of [...Object.keys(SETTINGS), 'WEATHER_REGISTRY']) delete process.env[name]
})

const reading = (city: string, more: Partial<Reading> = {}): Reading => ({
  ...{ city, timestamp: Date.now(), temperature: 90, humidity: 50 },
  ...more,
})

/** As another program writes it: the envelope with the id of its schema, then the bytes. */
function enveloped(id: number, bytes: Uint8Array): Buffer {
  const envelope = Buffer.alloc(5)
  envelope.writeInt32BE(id, 1)
  return Buffer.concat([envelope, bytes])
}

async function write(city: string, ...values: Uint8Array[]): Promise<void> {
  const producer = new Producer(running.log)
  for (const value of values) producer.sendBytes(weather.readings, Buffer.from(city), value)
  await producer.flush()
}

/** Until a schema is known, 503 says that nothing was written. */
async function post(body: string, type?: string): Promise<Answer> {
  for (;;) {
    const answer = await site.post(`/topics/${weather.readings.name}/records`, body, type)
    if (answer.status !== 503) return answer
    assert.match(answer.text, /SCHEMA_PENDING/)
  }
}

/** What each city was told of last of each of its windows. */
async function forecasts(): Promise<Map<string, Forecast[]>> {
  const last = new Map<string, Forecast>()
  let from = 'earliest'
  for (;;) {
    const { text } = await site.get(`/topics/${weather.forecasts.name}/records?from=${from}&limit=1000`)
    const page = JSON.parse(text) as {
      records: { key: string; value: Forecast | null }[]
      next: string
      complete: boolean
    }
    // Whoever reads first waits for the schema.
    if (page.records.some(({ value }) => value === null)) continue
    for (const { key, value } of page.records) {
      assert.ok(value !== null)
      assert.equal(key, value.city)
      last.set(`${key} ${value.windowStart}`, value)
    }
    if (page.complete) break
    from = page.next
  }
  return Map.groupBy(last.values(), ({ city }) => city)
}

async function counted(city: string): Promise<number> {
  return (await forecasts()).get(city)?.reduce((sum, { readings }) => sum + readings, 0) ?? 0
}

interface Letter {
  offset: number
  state: string
  code: string
  message: string
  source: { topic: string; partition: number; offset: number }
  key: string
  value: Reading | null
  valueBase64?: string
}

async function letters(): Promise<Letter[]> {
  const { text } = await site.get('/dead-letters?limit=100')
  return (JSON.parse(text) as { letters: Letter[] }).letters.toReversed()
}

test('readings as JSON, NDJSON and CSV and in the wire format count once each, and values carry ids of the registry', async () => {
  const json = await post(JSON.stringify([reading('json'), reading('json')]))
  assert.deepEqual([json.status, json.body.accepted], [200, 2], json.text)
  const lines = [reading('ndjson'), reading('ndjson', { temperature: null })].map(one => JSON.stringify(one))
  assert.equal((await post(lines.join('\n'), 'application/x-ndjson')).body.accepted, 2)
  const now = Date.now()
  const csv = `city,timestamp,temperature,humidity\ncsv,${now},90,50\ncsv,${now},,50\ncsv,${now},90,\n`
  assert.equal((await post(csv, 'text/csv')).body.accepted, 3)

  const schema = readingSchema()
  const id = await others.register(SUBJECT, { schema: schema.definition })
  await write('wire', enveloped(id, encode(schema, reading('wire'))), enveloped(id, encode(schema, reading('wire'))))
  const expected = { json: 2, ndjson: 2, csv: 3, wire: 2 }
  for (const [city, count] of Object.entries(expected)) await site.until(async () => (await counted(city)) === count)

  const told = await forecasts()
  for (const city of Object.keys(expected)) {
    for (const { heatIndex, readings } of told.get(city)!) {
      assert.ok(readings > 0)
      // 90 °F and 50 %, of those that have both.
      if (heatIndex !== null) assert.ok(Math.abs(heatIndex - 94.6) < 0.1, `${city}: ${heatIndex}`)
    }
  }
  assert.deepEqual(await letters(), [])
  assert.deepEqual((await others.subjects()).toSorted(), ['forecast_output_topic-value', SUBJECT])
})

test('what does not fit the schema is refused over HTTP, and the rest is taken', async () => {
  const { status, body } = await post(JSON.stringify([reading('mixed'), { ...reading('mixed'), temperature: 'hot' }]))
  assert.deepEqual([status, body.accepted, body.rejected], [200, 1, 1])
  assert.deepEqual([body.errors[0]!.index, body.errors[0]!.code], [1, 'VALUE_INVALID'])
  const none = await post('city,timestamp,temperature,humidity\nmixed,noon,90,50\n', 'text/csv')
  assert.deepEqual([none.status, none.body.accepted, none.body.errors[0]!.line], [400, 0, 2])
  const nameless = await post(`city,timestamp,temperature,humidity\n,${Date.now()},90,50\n`, 'text/csv')
  assert.deepEqual([nameless.status, nameless.body.errors[0]!.code], [400, 'VALUE_INVALID'])
  assert.match(nameless.text, /city must not be empty/)
  await site.until(async () => (await counted('mixed')) === 1)
})

test('bad readings are dead letters with reason, position and bytes; one is replayed when its schema is known', async () => {
  const schema = readingSchema()
  const text = schema.definition
  const known = await others.register(SUBJECT, { schema: text })
  const ids = await Promise.all(
    [SUBJECT, 'forecast_output_topic-value'].map(async subject => (await others.version(subject, 'latest')).id),
  )
  /** Of the schema that comes next. */
  const unknown = Math.max(...ids) + 1
  const good = encode(schema, reading('later'))
  // With the station, which a newer sender tells as well.
  const newer = Buffer.concat([enveloped(unknown, good), Buffer.from([2, 4, 0x4b, 0x31])])
  const bad = [
    { city: 'noise', value: Buffer.from([255, 1, 2]), code: 'VALUE_UNDECODABLE', message: /./ },
    { city: 'short', value: enveloped(known, good.subarray(0, 9)), code: 'VALUE_UNDECODABLE', message: /./ },
    { city: 'later', value: newer, code: 'VALUE_UNDECODABLE', message: new RegExp(`\\b${unknown}\\b`) },
    {
      city: 'molten',
      value: enveloped(known, encode(schema, reading('molten', { temperature: 1000 }))),
      code: 'VALUE_INVALID',
      message: /1000 °F lies outside/,
    },
    {
      city: 'ahead',
      value: enveloped(known, encode(schema, reading('ahead', { timestamp: Date.now() + HOUR_MS }))),
      code: 'TIMESTAMP_AHEAD',
      message: /ahead/,
    },
  ]
  for (const { city, value } of bad) await write(city, value)
  const implausible = await post(JSON.stringify([reading('damp', { humidity: 101 })]))
  assert.equal(implausible.body.accepted, 1)
  const { offsets } = JSON.parse(implausible.text) as { offsets: { partition: number; first: number }[] }
  const [{ partition, first } = assert.fail()] = offsets

  await site.until(async () => (await letters()).length === bad.length + 1)
  const found = new Map((await letters()).map(letter => [letter.key, letter]))
  for (const { city, value, code, message } of bad) {
    const letter = found.get(city)!
    assert.deepEqual([letter.code, letter.state, letter.source.topic], [code, 'open', weather.readings.name], city)
    assert.match(letter.message, message)
    // The record is where the letter says, with its bytes.
    const { partition: at, offset } = letter.source
    const record = running.log.partition(weather.readings.name, at)
    assert.ok(offset < record.end)
    if (code === 'VALUE_UNDECODABLE') assert.equal(letter.valueBase64, value.toString('base64'), city)
    else assert.equal(letter.value?.city, city)
  }
  const damp = found.get('damp')!
  assert.deepEqual([damp.code, damp.source.partition, damp.source.offset], ['VALUE_INVALID', partition, first])
  assert.match(damp.message, /101 % lies outside/)
  for (const city of ['noise', 'short', 'later', 'molten', 'ahead', 'damp']) assert.equal(await counted(city), 0)

  const definition = JSON.parse(text) as { fields: object[] }
  definition.fields.push({ name: 'station', type: ['null', 'string'], default: null })
  assert.equal(await others.register(SUBJECT, { schema: JSON.stringify(definition) }), unknown)
  // An id that was unknown is remembered for a while by those who asked.
  await site.close()
  await start()
  const replay = { offsets: [found.get('later')!.offset] }
  const answers = await Promise.all([1, 2, 3].map(() => site.postJson('/dead-letters/replay', replay)))
  assert.equal(
    answers.reduce((sum, { body }) => sum + (body as unknown as { changed: number }).changed, 0),
    1,
  )
  await site.until(async () => (await counted('later')) === 1)
  await site.processed()
  assert.equal(await counted('later'), 1)
  const states = (await letters()).map(({ key, state }) => [key, state])
  assert.deepEqual(
    new Map(states as [string, string][]),
    new Map([...found.keys()].map(key => [key, key === 'later' ? 'replayed' : 'open'])),
  )
})
