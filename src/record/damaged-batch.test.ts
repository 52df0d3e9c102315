import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AldebaranError } from '../errors.ts'
import { BatchCursor } from './batch-cursor.ts'
import { anyBatch, SMALL } from './test/any-batch.ts'
import { type PlainBatch, plainCrc32c, plainDecode, plainEncode, plainVarint } from './test/plain-batch.ts'
import { readAll } from './test/read-all.ts'

/** The error that `work` throws, which must be ours; or undefined. */
function refusal(work: () => unknown): AldebaranError | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    assert.ok(error instanceof AldebaranError, `not an AldebaranError: ${error}`)
    assert.ok(error.code === 'BATCH_CORRUPT' || error.code === 'BATCH_UNSUPPORTED', error.code)
    return error
  }
}

test('any single flipped bit is refused, or makes the batch a partial tail, or is one that no CRC covers', () => {
  for (const codec of [0, 1, 2, 3, 4]) {
    const batch = { ...SMALL, attributes: codec }
    const bytes = plainEncode(batch)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3]! ^= 128 >> (bit & 7)
      let found: PlainBatch[] = []
      const error = refusal(() => {
        found = readAll(damaged)
      })
      const where = `bit ${bit} of codec ${codec}`
      if (bit < 64) {
        // The base offset: a log writes it, so the CRC leaves it out. What must not happen is an unsafe number.
        if (bit < 11) assert.equal(error?.code, 'BATCH_CORRUPT', where)
        else assert.deepEqual(found, [shifted(batch, damaged.readBigInt64BE(0))], where)
      } else if (bit < 96) {
        if (error === undefined) assert.deepEqual(found, [], where)
      } else if (bit < 128) {
        // The partition leader epoch: not covered either, and not read.
        assert.deepEqual(found, [batch], where)
      } else {
        assert.ok(error, where)
        assert.deepEqual([error.details.position, error.details.offset], [0, 50], where)
      }
    }
  }
})

function shifted(batch: PlainBatch, baseOffset: bigint): PlainBatch {
  const records = batch.records.map(record => ({ ...record, offset: record.offset - batch.baseOffset + baseOffset }))
  return { ...batch, baseOffset, records }
}

test('a batch that is cut anywhere is a partial tail', () => {
  const first = plainEncode({ ...SMALL, attributes: 2 })
  const second = plainEncode(SMALL)
  const bytes = Buffer.concat([first, second])
  const expected = readAll(first)
  const cursor = new BatchCursor()
  for (let end = 0; end < bytes.length; end++) {
    // A copy, so that nothing lies behind the end, and a view, so that the rest does.
    assert.deepEqual(readAll(Buffer.from(bytes.subarray(0, end)), 0, end, cursor), end < first.length ? [] : expected)
    assert.equal(cursor.batchEnd, end < first.length ? 0 : first.length)
    assert.deepEqual(readAll(bytes, 0, end, cursor), end < first.length ? [] : expected)
  }
})

test('the second batch of a run is named by its own position and offset', () => {
  const bytes = Buffer.concat([plainEncode(SMALL), plainEncode({ ...SMALL, baseOffset: 53n, records: [] })])
  bytes[bytes.length - 1]! ^= 1
  const error = refusal(() => readAll(bytes))
  assert.deepEqual(error?.details, { position: plainEncode(SMALL).length, offset: 53 })
  assert.match(error?.message ?? '', /CRC/)
})

test('an old or a future magic and an unknown compression are unsupported', () => {
  for (const magic of [0, 1, 3, 255]) {
    const bytes = plainEncode(SMALL)
    bytes[16] = magic
    assert.equal(refusal(() => readAll(bytes))?.code, 'BATCH_UNSUPPORTED')
  }
  // A message set of magic 1 may be shorter than the header of a batch.
  const old = Buffer.alloc(12 + 22)
  old.writeInt32BE(22, 8)
  old[16] = 1
  assert.equal(refusal(() => readAll(old))?.code, 'BATCH_UNSUPPORTED')
  for (const codec of [5, 6, 7]) {
    const bytes = plainEncode(SMALL)
    bytes.writeInt16BE(codec, 21)
    assert.equal(refusal(() => readAll(recrc(bytes)))?.code, 'BATCH_UNSUPPORTED')
  }
})

function recrc(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(plainCrc32c(bytes.subarray(21)), 17)
  return bytes
}

test('headers that cannot be are refused although the CRC is right', () => {
  const forge = (change: (bytes: Buffer) => void): AldebaranError | undefined => {
    const bytes = plainEncode(SMALL)
    change(bytes)
    return refusal(() => readAll(recrc(bytes)))
  }
  assert.equal(
    forge(() => {}),
    undefined,
  )
  assert.match(forge(bytes => bytes.writeInt32BE(-1, 57))?.message ?? '', /-1 records/)
  assert.match(forge(bytes => bytes.writeInt32BE(4, 57))?.message ?? '', /4 records/)
  assert.match(forge(bytes => bytes.writeInt32BE(2, 57))?.message ?? '', /bytes after the last record/)
  assert.match(forge(bytes => bytes.writeInt32BE(0, 57))?.message ?? '', /0 records in/)
  assert.match(forge(bytes => bytes.writeInt32BE(1, 23))?.message ?? '', /3 records up to offset delta 1/)
  assert.match(forge(bytes => bytes.writeInt32BE(-1, 23))?.message ?? '', /offset delta -1/)
  assert.match(forge(bytes => bytes.writeBigInt64BE(2n ** 53n, 27))?.message ?? '', /timestamp/)
  assert.match(forge(bytes => bytes.writeBigInt64BE(-(2n ** 60n), 35))?.message ?? '', /timestamp/)
  assert.match(forge(bytes => bytes.writeBigInt64BE(2n ** 53n - 2n, 0))?.message ?? '', /offsets/)
  assert.match(forge(bytes => bytes.writeBigInt64BE(-1n, 0))?.message ?? '', /offsets/)
  const millions = plainEncode({ ...SMALL, lastOffsetDelta: 2 ** 31 - 1 })
  millions.writeInt32BE(2 ** 31 - 1, 57)
  assert.match(refusal(() => readAll(recrc(millions)))?.message ?? '', /2147483647 records in/)
})

test('records that cannot be are refused although the CRC is right', () => {
  const body = (...parts: (number | bigint | Buffer)[]): Buffer => {
    const bytes = Buffer.concat(
      parts.map(part =>
        typeof part === 'bigint' ? plainVarint(part) : Buffer.from(typeof part === 'number' ? [part] : part),
      ),
    )
    return Buffer.concat([plainVarint(BigInt(bytes.length)), bytes])
  }
  const read = (...records: Buffer[]): string => {
    const count = records.map(() => SMALL.records[0]!)
    const bytes = plainEncode({ ...SMALL, records: count }, Buffer.concat(records))
    return refusal(() => readAll(bytes))?.message ?? 'accepted'
  }
  const good = body(0, 0n, 0n, -1n, -1n, 0n)
  assert.equal(read(good), 'accepted')
  assert.match(read(good, good), /record 1, offset delta 0 after 0/)
  assert.match(read(body(0, 0n, 3n, -1n, -1n, 0n)), /offset delta 3/)
  assert.match(read(body(0, 0n, -1n, -1n, -1n, 0n)), /offset delta -1/)
  assert.match(read(body(0, 0n, 0n, -2n, -1n, 0n)), /a key of -2/)
  assert.match(read(body(0, 0n, 0n, 1n, -1n, 0n)), /a key of 1/)
  assert.match(read(body(0, 0n, 0n, -1n, -2n, 0n)), /a value of -2/)
  assert.match(read(body(0, 0n, 0n, -1n, 1n, 0n)), /a value of 1/)
  assert.match(read(body(0, 0n, 0n, -1n, 2n ** 31n - 1n, 0n)), /a value of 2147483647/)
  assert.match(read(body(0, 0n, 0n, -1n, -1n, -1n)), /-1 headers/)
  assert.match(read(body(0, 0n, 0n, -1n, -1n, 2n ** 30n, 0n)), /1073741824 headers/)
  assert.match(read(body(0, 0n, 0n, -1n, -1n, 1n, -1n, -1n)), /a header key of -1/)
  assert.match(read(body(0, 0n, 0n, -1n, -1n, 1n, 0n, 1n)), /a header value of 1/)
  assert.match(read(body(0, 0n, 0n, -1n, -1n, 0n, 0)), /bytes after its end/)
  assert.match(read(body(0, 0n, 0n, -1n, -1n, 1n, 0n, -1n, 0)), /bytes after its headers/)
  assert.match(read(body(0, 2n ** 53n, 0n, -1n, -1n, 0n)), /a timestamp delta/)
  assert.match(read(body(0, 2n ** 53n - 1n, 0n, -1n, -1n, 0n)), /a timestamp beyond/)
  assert.match(read(body(0, Buffer.alloc(10, 0x80), 0, 0n, -1n, -1n, 0n)), /a varint without end/)
  assert.match(read(body(0, 0n, Buffer.alloc(5, 0x80), 0, -1n, -1n, 0n)), /a varint without end/)
  assert.match(read(Buffer.from([2, 0, 0, 0, 0, 0, 0])), /a length of 1/)
  assert.match(read(Buffer.from([1, 0, 0, 0, 0, 0, 0])), /a length of -1/)
  assert.match(read(Buffer.from([14, 0, 0, 0, 1, 1, 0])), /a length of 7/)
})

/** `bytes` where every look at a byte outside `[start, end)` is an error. */
function guarded(bytes: Buffer, start: number, end: number): Buffer {
  return new Proxy(bytes, {
    get(target, property) {
      const index = typeof property === 'string' ? Number(property) : Number.NaN
      if (index < start || index >= end) throw new Error(`a look at byte ${index} outside [${start}, ${end})`)
      const found: unknown = Reflect.get(target, property)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}

test('whatever the bytes of the records, the cursor agrees with the plain decoder and looks at nothing beside them', () => {
  const cursor = new BatchCursor()
  const damage = fc.record({ at: fc.nat(), with: fc.oneof(fc.nat(255), fc.constantFrom(0x80, 0xff, 0x7f, 0, 1, 2)) })
  const uncompressed = anyBatch.filter(batch => (batch.attributes & 7) === 0 && batch.records.length > 0)
  let refused = 0
  fc.assert(
    fc.property(uncompressed, fc.array(damage, { minLength: 1, maxLength: 3 }), fc.nat(3), (batch, damages, cut) => {
      const records = plainEncode(batch).subarray(61)
      for (const { at, with: byte } of damages) records[at % records.length] = byte
      const bytes = plainEncode(batch, records.subarray(0, records.length - cut))
      let expected: PlainBatch[] | null = null
      try {
        expected = [plainDecode(bytes)]
      } catch {
        refused++
      }
      const padding = Buffer.alloc(20, 0xff)
      const end = 20 + bytes.length
      const run = Buffer.concat([padding, bytes, padding])
      let found: PlainBatch[] | null = null
      refusal(() => {
        found = readAll(guarded(run, 20, end), 20, end, cursor)
      })
      assert.deepEqual(found, expected)
    }),
    { numRuns: 1500 },
  )
  assert.ok(refused > 100, `only ${refused} were damaged enough`)
})

test('no short record makes the cursor look behind the batch', () => {
  const cursor = new BatchCursor()
  const check = (count: number, records: Buffer): boolean => {
    const bytes = plainEncode({ ...SMALL, records: Array(count).fill(SMALL.records[0]) }, records)
    let expected: PlainBatch[] | null = null
    try {
      expected = [plainDecode(bytes)]
    } catch {}
    const run = Buffer.concat([bytes, Buffer.alloc(20)])
    let found: PlainBatch[] | null = null
    refusal(() => {
      found = readAll(guarded(run, 0, bytes.length), 0, bytes.length, cursor)
    })
    assert.deepEqual(found, expected, records.toString('hex'))
    return expected !== null
  }
  // Every body of 6 and 7 bytes made of these: nothing, null, one byte, and varints that go on.
  const alphabet = [0x00, 0x01, 0x02, 0x80, 0x81]
  let accepted = 0
  for (const length of [6, 7]) {
    for (let number = 0; number < alphabet.length ** (length - 1); number++) {
      const record = Buffer.alloc(length + 1)
      record[0] = length * 2
      let rest = number
      for (let at = 2; at <= length; at++) {
        record[at] = alphabet[rest % alphabet.length]!
        rest = Math.floor(rest / alphabet.length)
      }
      if (check(1, record)) accepted++
    }
  }
  assert.ok(accepted > 30, `only ${accepted} were records`)
  // A first record that leaves too few bytes for the second.
  const first = Buffer.from([26, 0, 0, 0, 1, 14, 1, 2, 3, 4, 5, 6, 7, 0])
  assert.ok(check(1, first))
  for (const left of [0, 1, 2, 3, 4, 5, 6]) {
    for (const fill of [0x00, 0x0c, 0x80])
      assert.equal(check(2, Buffer.concat([first, Buffer.alloc(left, fill)])), false)
  }
})
