/** Schemas against the shared sample data: Avro's own vectors, JSON parsing cases, strings that break input handling. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { AldebaranError } from '../../src/errors.ts'
import { avro, fingerprints } from '../../src/schema/avro.ts'
import { ByteWriter } from '../../src/schema/byte-writer.ts'
import { t } from '../../src/schema/field-types.ts'
import { json } from '../../src/schema/json.ts'
import { text } from '../../src/schema/primitives.ts'

const shared = (path: string) => readFileSync(fileURLToPath(new URL(`../../../shared/data/${path}`, import.meta.url)))
const lines = (path: string): Record<string, string>[] =>
  gunzipSync(shared(path))
    .toString()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

test('canonical forms and fingerprints are those of Avro’s test vectors', () => {
  const source = shared('avro/schema-tests.txt').toString()
  const vectors = source.matchAll(
    /^<<INPUT(?: (?<line>.+)|\n(?<block>[\s\S]*?)\nINPUT)\n<<canonical (?<canonical>.+)(?:\n<<fingerprint (?<fingerprint>.+))?/gm,
  )
  let checked = 0
  for (const { groups } of vectors) {
    const found = fingerprints(groups?.line ?? groups?.block ?? '')
    assert.equal(found.canonical, groups?.canonical)
    if (groups?.fingerprint !== undefined) assert.equal(BigInt.asIntN(64, found.crc64), BigInt(groups.fingerprint))
    checked++
  }
  assert.equal(checked, 34)
})

test('Avro’s sample schemas are read', () => {
  const names = [
    'FooBarSpecificRecord.avsc',
    'RecordWithRequiredFields.avsc',
    'fooBar.avsc',
    'interop.avsc',
    'messageV1.avsc',
    'reserved.avsc',
    'simple.schema.json',
    'weather.avsc',
    'withUnion.schema.json',
  ]
  for (const name of names) {
    const schema = avro.parse(shared(`avro/${name}`).toString())
    assert.equal(avro.parse(schema.definition).definition, schema.definition, name)
  }
})

test('Avro’s single-object sample decodes, and its header is our fingerprint', () => {
  const schema = avro.parse<unknown>(shared('avro/messageV1.avsc').toString())
  const bytes = shared('avro/messageV1.bin')
  const value = schema.decode(bytes, 10, bytes.length)
  assert.deepEqual(schema.toJson(value), { id: 42, name: 'Bill', tags: ['dog_lover', 'cat_hater'] })
  assert.equal(bytes.readBigUInt64LE(2), fingerprints(schema).crc64)
})

test('the records of Avro’s weather file decode to their JSON', () => {
  const schema = avro.parse<unknown>(shared('avro/weather.avsc').toString(), { trailing: 'ignore' })
  const file = shared('avro/weather.avro')
  const expected = shared('avro/weather.json')
    .toString()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  // One block without compression: the records stand one after the other before the last sync marker of 16 bytes.
  const out = new ByteWriter()
  for (const record of expected) schema.encode(schema.fromJson(record), out)
  const records = out.bytes.subarray(0, out.position)
  assert.deepEqual(file.subarray(file.length - 16 - records.length, file.length - 16), records)
  assert.deepEqual(schema.toJson(schema.decode(file, file.length - 16 - records.length, file.length)), expected[0])
})

test('JSON parsing cases: all valid ones are read, all invalid ones refused, none breaks anything', () => {
  const schema = json()
  const counts = { y: 0, n: 0, i: 0 }
  for (const { file, expect, bytes_b64 } of lines('json-parsing.ndjson.gz')) {
    const bytes = Buffer.from(bytes_b64 ?? '', 'base64')
    let accepted = true
    try {
      schema.toJson(schema.decode(bytes, 0, bytes.length))
    } catch (error) {
      assert.ok(error instanceof AldebaranError && error.code === 'VALUE_UNDECODABLE', `${file}: ${error}`)
      accepted = false
    }
    counts[expect as 'y' | 'n' | 'i']++
    if (expect !== 'i') assert.equal(accepted, expect === 'y', String(file))
  }
  assert.deepEqual(counts, { y: 95, n: 188, i: 35 })
})

test('naughty strings survive every schema that carries text', () => {
  const record = avro('R', { value: t.string, tags: t.map(t.string) })
  const out = new ByteWriter()
  let checked = 0
  for (const { b64 } of lines('naughty-strings.ndjson.gz')) {
    const value = Buffer.from(b64 ?? '', 'base64').toString()
    for (const schema of [text(), json<string>()]) {
      out.position = 0
      schema.encode(value, out)
      assert.equal(schema.decode(out.bytes, 0, out.position), value)
    }
    out.position = 0
    record.encode({ value, tags: { [value]: value } }, out)
    const view = record.decode(out.bytes, 0, out.position)
    assert.equal(view.value, value)
    assert.equal(view.tags[value], value)
    checked++
  }
  assert.equal(checked, 461)
})
