/** Cutting input into records. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csvRecords, jsonRecords, ndjsonRecords } from './input-records.ts'

test('NDJSON: lines that are not blank, with their numbers', () => {
  assert.deepEqual(
    [...ndjsonRecords('1\r\n\n {"a":2} \n3')],
    [
      { text: '1', line: 1 },
      { text: '{"a":2}', line: 3 },
      { text: '3', line: 4 },
    ],
  )
})

test('JSON: the elements as they are written, or the one value', () => {
  assert.deepEqual(
    [...jsonRecords(' [\n{"a": "],\\"",\n"b": [1, {"c": 2}]},\n12345678901234567890 ]\n')],
    [
      { text: '{"a": "],\\"", "b": [1, {"c": 2}]}', line: 2 },
      { text: '12345678901234567890', line: 4 },
    ],
  )
  assert.deepEqual([...jsonRecords('{"a":\n1}')], [{ text: '{"a": 1}', line: 1 }])
  assert.deepEqual([...jsonRecords('[]')], [])
  assert.deepEqual([...jsonRecords('  ')], [])
  for (const bad of ['[1, 2', '[1] 2', '[1,,2]']) assert.throws(() => [...jsonRecords(bad)], { code: 'BODY_INVALID' })
})

test('CSV: rows may hold line ends within quotes', () => {
  const { header, rows } = csvRecords('a,b\r\n1,"x\r\ny ""q"""\r\n\r\n2,z')
  assert.equal(header, 'a,b')
  assert.deepEqual(
    [...rows],
    [
      { text: '1,"x\r\ny ""q"""', line: 2 },
      { text: '2,z', line: 5 },
    ],
  )
})
