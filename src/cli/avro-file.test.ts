/** Values out of Avro files. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { avroFileBlocks } from './avro-file.ts'

test('Avro files: every value of every block, compressed or not; damage is told', () => {
  const sync = Buffer.alloc(16, 7)
  const entry = (key: string, value: string) =>
    Buffer.concat([zigzag(key.length), Buffer.from(key), zigzag(value.length), Buffer.from(value)])
  const file = (codec: string, ...blocks: Buffer[]) =>
    Buffer.concat([
      Buffer.from('Obj\x01'),
      zigzag(2),
      entry('avro.schema', '{"type":"record","name":"R","fields":[{"name":"n","type":"long"}]}'),
      entry('avro.codec', codec),
      zigzag(0),
      sync,
      ...blocks.flatMap(block => [zigzag(2), zigzag(block.length), block, sync]),
    ])
  const values = Buffer.concat([zigzag(300), zigzag(-1)])
  assert.deepEqual(
    [...avroFileBlocks(file('null', values, values))],
    [
      [{ n: 300 }, { n: -1 }],
      [{ n: 300 }, { n: -1 }],
    ],
  )
  assert.deepEqual([...avroFileBlocks(file('deflate', deflateRawSync(values)))], [[{ n: 300 }, { n: -1 }]])
  for (const bad of [file('null', values).subarray(0, -1), file('nonesuch', values), file('null', zigzag(1))]) {
    assert.throws(() => [...avroFileBlocks(bad)], { code: 'VALUE_UNDECODABLE' })
  }
})

function zigzag(value: number): Buffer {
  const bytes: number[] = []
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
