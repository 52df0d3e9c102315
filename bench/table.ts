/**
 * Memory tables: writes to hot and to random rows (pre-images included), collect, restore, bytes a row, and the pause
 * of growing. One JSON line each. Rows are {enum, int, int, long, long} and a timer, keys are int64.
 */
import { parseArgs } from 'node:util'
import { BatchCursor } from '../src/record/batch-cursor.ts'
import { BatchWriter } from '../src/record/batch-writer.ts'
import { t } from '../src/schema/field-types.ts'
import { int64 } from '../src/schema/primitives.ts'
import type { TableDefinition, TaskTable } from '../src/state/contract.ts'
import { rowDefinition } from '../src/state/evolution.ts'
import { createTable } from '../src/state/table.ts'

const definition: TableDefinition = {
  name: 'bench',
  key: int64() as never,
  fields: {
    state: t.enum(['new', 'open', 'closed'], 'State'),
    count: t.int,
    other: t.int,
    total: t.long,
    seen: t.long,
  },
  timers: { close: 'processing' },
  store: 'memory',
  maxRows: 100_000_000,
}
const options = { schemaId: 1, schemas: new Map([[1, rowDefinition(definition)]]) }
const NOW = 1_700_000_000_000
const SAVEPOINT_EVERY = 1024

interface BenchRow {
  state: string
  count: number
  other: number
  total: number
  seen: number
  close: number
}

function keysOf(count: number): Buffer {
  const keys = Buffer.allocUnsafeSlow(count * 8)
  for (let value = 0; value < count; value++) keys.writeBigInt64BE(BigInt(value), value * 8)
  return keys
}

/** Numbers below `rows`, in no order. */
function shuffled(count: number, rows: number): Int32Array {
  let state = 12345
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 0) % rows
  })
}

function fill(table: TaskTable, keys: Buffer, rows: number): number {
  let longest = 0
  for (let value = 0; value < rows; value++) {
    const start = performance.now()
    const row = table.locate(keys, value * 8, value * 8 + 8) as unknown as BenchRow
    row.count = value
    longest = Math.max(longest, performance.now() - start)
    row.other = 1
    row.total = NOW + value
    row.seen = value * 1000
    row.close = NOW + ((value * 7919) % 3_600_000)
    if ((value & (SAVEPOINT_EVERY - 1)) === 0) table.savepoint()
  }
  return longest
}

/** The keys of those rows, one after another, as a batch has them. */
function inOrder(keys: Buffer, order: Int32Array): Buffer {
  const batch = Buffer.allocUnsafeSlow(order.length * 8)
  for (let index = 0; index < order.length; index++) {
    keys.copy(batch, index * 8, order[index]! * 8, order[index]! * 8 + 8)
  }
  return batch
}

/** Records a second of locate and three field writes. */
function write(table: TaskTable, keys: Buffer): number {
  const count = keys.length / 8
  const start = performance.now()
  for (let index = 0; index < count; index++) {
    const at = index * 8
    const row = table.locate(keys, at, at + 8) as unknown as BenchRow
    row.count++
    row.total = NOW + index
    row.state = 'open'
    if ((index & (SAVEPOINT_EVERY - 1)) === 0) table.savepoint()
  }
  return perSecond(count, start)
}

function moveTimers(table: TaskTable, keys: Buffer): number {
  const count = keys.length / 8
  const start = performance.now()
  for (let index = 0; index < count; index++) {
    const at = index * 8
    const row = table.locate(keys, at, at + 8) as unknown as BenchRow
    row.close = NOW + 3_600_000 + index
    if ((index & (SAVEPOINT_EVERY - 1)) === 0) table.savepoint()
  }
  return perSecond(count, start)
}

function perSecond(count: number, start: number): number {
  return Math.round((count / (performance.now() - start)) * 1000)
}

function report(what: string, value: number, unit: string): void {
  process.stdout.write(`${JSON.stringify({ bench: 'table', what, value, unit })}\n`)
}

/** Drops what was collected so far, so that every row is clean. */
function settle(table: TaskTable, writer: BatchWriter): number {
  writer.begin()
  const count = table.collect(writer, [])
  table.committed(0)
  return count
}

export async function bench(args: string[] = []): Promise<void> {
  const { values } = parseArgs({ args, options: { rows: { type: 'string', default: '1000000' } } })
  const rows = Number(values.rows)
  const keys = keysOf(rows)
  const writer = new BatchWriter({ initialBytes: 64 * 1024 * 1024 })

  const hot = createTable(definition, options)
  fill(hot, keys, 1000)
  const hotKeys = inOrder(keys, shuffled(2_000_000, 1000))
  for (let round = 0; round < 2; round++) write(hot, hotKeys)
  report('locate and 3 writes, 1 000 rows', write(hot, hotKeys), 'records/s')

  const table = createTable(definition, options)
  const longest = fill(table, keys, rows)
  report(`longest pause while growing to ${rows} rows`, Math.round(longest * 10) / 10, 'ms')
  let start = performance.now()
  const collected = settle(table, writer)
  report(`collect of all ${rows} rows`, perSecond(collected, start), 'rows/s')
  const changelog = Buffer.from(writer.finish())
  report(`bytes a row at ${rows} rows, all just written`, Math.round(table.bytes / rows), 'bytes')

  const random = inOrder(keys, shuffled(2_000_000, rows))
  report(`locate and 3 writes, ${rows} random rows`, write(table, random), 'records/s')
  settle(table, writer)
  report(`locate and a timer moved, ${rows} random rows`, moveTimers(table, random), 'records/s')
  settle(table, writer)

  let units = 0
  let spent = 0
  for (let at = 0; at + 8192 <= random.length && units < 500; at += 8192) {
    write(table, random.subarray(at, at + 8192))
    writer.begin()
    start = performance.now()
    units += 1
    const count = table.collect(writer, [])
    spent += (performance.now() - start) / count
  }
  report('collect of units of 1 024 random rows', Math.round(1000 / (spent / units)), 'rows/s')

  start = performance.now()
  let fired = 0
  while (fired < 500_000 && table.nextDue('processing', NOW + 10_000_000)) {
    fired++
    if ((fired & (SAVEPOINT_EVERY - 1)) === 0) table.savepoint()
  }
  report('timers fired', perSecond(fired, start), 'timers/s')

  const restored = createTable(definition, { ...options, expectedRows: rows })
  const cursor = new BatchCursor()
  cursor.reset(changelog, 0, changelog.length)
  start = performance.now()
  restored.restore(cursor)
  report(`restore of ${rows} rows`, perSecond(restored.rows, start), 'records/s')
  report(`bytes a row after restore`, Math.round(restored.bytes / rows), 'bytes')
}
