import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AlertKind } from './rules.ts'
import { Workload } from './workload.ts'

/** c = (31 c + byte) mod 2^32 over the value bytes in order, the bytes signed. */
class Checksum {
  value = 0

  byte(byte: number): void {
    this.value = (Math.imul(this.value, 31) + ((byte << 24) >> 24)) | 0
  }

  /** Avro's zigzag varint of a number that is not negative. */
  number(value: number): void {
    let rest = value * 2
    while (rest > 127) {
      this.byte((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    this.byte(rest)
  }

  text(value: string): void {
    this.number(value.length)
    for (let i = 0; i < value.length; i++) this.byte(value.charCodeAt(i))
  }
}

function dryRun(seed: number, messages: number): Record<string, number> {
  const alerts: Record<AlertKind, number> = { OVERBOUGHT: 0, NO_REQUEST: 0 }
  const workload = new Workload(seed, messages, (_, kind) => {
    alerts[kind]++
  })
  const checksum = new Checksum()
  let requests = 0
  let purchases = 0
  while (workload.next()) {
    if (workload.isRequest) {
      requests++
      checksum.number(workload.orderId)
      checksum.number(workload.shares)
      checksum.text(workload.client)
    } else {
      purchases++
      checksum.number(workload.purchaseId)
      checksum.number(workload.orderId)
      checksum.number(workload.shares)
    }
    checksum.text(workload.stock)
    checksum.number(0)
  }
  return { messages: requests + purchases, checksum: checksum.value >>> 0, ...alerts }
}

test('gives the bytes and the alerts of the reference, seed 1, 100,000 messages', () => {
  const expected = { messages: 100_000, checksum: 3532890817, OVERBOUGHT: 213, NO_REQUEST: 295 }
  assert.deepEqual(dryRun(1, 100_000), expected)
})

test('gives the bytes and the alerts of the reference, seed 1, 1,000,000 messages', () => {
  const expected = { messages: 1_000_000, checksum: 365297201, OVERBOUGHT: 1993, NO_REQUEST: 436 }
  assert.deepEqual(dryRun(1, 1_000_000), expected)
})

test('another seed gives another sequence', () => {
  assert.notEqual(dryRun(2, 1000).checksum, dryRun(1, 1000).checksum)
})

test('tells the alerts of cut-off orders once, however often the end is asked for', () => {
  let told = 0
  const workload = new Workload(1, 50_000, () => {
    told++
  })
  while (workload.next());
  const atEnd = told
  assert.ok(atEnd > 0)
  assert.equal(workload.next(), false)
  assert.equal(told, atEnd)
})

test('an order never has two expected alerts', () => {
  const seen = new Set<number>()
  let told = 0
  const workload = new Workload(7, 200_000, orderId => {
    told++
    seen.add(orderId)
  })
  while (workload.next());
  assert.ok(told > 300)
  assert.equal(seen.size, told)
})
