/**
 * Avro schemas beside avsc, in one run: decode, decode and read the text, encode; also one resolved, and JSON.
 * One JSON line each. Options: --seconds N (each job; default 0.5).
 */
import { parseArgs } from 'node:util'
import avsc from 'avsc'
import { avro, resolve } from '../src/schema/avro.ts'
import { ByteWriter } from '../src/schema/byte-writer.ts'
import { t } from '../src/schema/field-types.ts'
import { json } from '../src/schema/json.ts'
import type { Schema } from '../src/schema/schema.ts'
import { result } from './measure.ts'

interface Trade {
  id: number
  at: number
  size: number
  symbol: string
  price: number
}

const VALUES = 1024

/** Bytes of all values one after the other, and where each begins; the last entry is the end. */
interface Written {
  bytes: Buffer
  starts: Int32Array
}

export async function bench(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { seconds: { type: 'string', default: '0.5' } } })
  const seconds = Number(values.seconds)
  const measure = (job: string, engine: string, run: () => number) => measureJob(job, engine, seconds, run)
  const trades = Array.from({ length: VALUES }, (_, index) => tradeOf(index))

  const ours = avro('Trade', { id: t.long, at: t.long, size: t.int, symbol: t.string, price: t.long })
  const theirs = avsc.Type.forSchema(JSON.parse(ours.definition))
  const written = writeAll(ours, trades)
  const wider = avro('Trade', {
    id: t.long,
    at: t.long,
    size: t.long,
    symbol: t.string,
    price: t.double,
    note: t.optional(t.string),
  })
  const resolved = resolve(ours.definition, wider)
  const asJson = json<Trade>()
  const writtenJson = writeAll(asJson, trades)

  measure('decode', 'aldebaran', () => sum(ours, written, false))
  measure('decode', 'avsc', () => sumAvsc(theirs, written))
  measure('decode, text read', 'aldebaran', () => sum(ours, written, true))
  measure('decode, resolved', 'aldebaran', () => sum(resolved, written, false))
  measure('decode JSON', 'aldebaran', () => sum(asJson, writtenJson, false))
  const out = new ByteWriter(VALUES * 64)
  measure('encode', 'aldebaran', () => encodeAll(ours, trades, out))
  measure('encode', 'avsc', () => encodeAvsc(theirs, trades, out.bytes))
  measure('encode JSON', 'aldebaran', () => encodeAll(asJson, trades, out))
}

function tradeOf(index: number): Trade {
  const symbol = ['ABC', 'XYZ', 'BTC', 'ETH'][index & 3]!
  return {
    id: index * 7,
    at: 1_732_262_400_000 + index * 13,
    size: ((index * 37) % 1000) - 500,
    symbol,
    price: 10_000 + index * 11,
  }
}

function writeAll(schema: Schema<Trade>, trades: readonly Trade[]): Written {
  const out = new ByteWriter()
  const starts = new Int32Array(trades.length + 1)
  for (const [index, trade] of trades.entries()) {
    schema.encode(trade, out)
    starts[index + 1] = out.position
  }
  return { bytes: Buffer.from(out.bytes.subarray(0, out.position)), starts }
}

function sum(schema: Pick<Schema<Trade>, 'decode'>, { bytes, starts }: Written, readText: boolean): number {
  let total = 0
  for (let i = 0; i < VALUES; i++) {
    const trade = schema.decode(bytes, starts[i]!, starts[i + 1]!)
    total += trade.size + trade.price
    if (readText) total += trade.symbol.length - 3
  }
  return total
}

function sumAvsc(type: avsc.Type, { bytes, starts }: Written): number {
  let total = 0
  for (let i = 0; i < VALUES; i++) {
    const trade = type.decode(bytes, starts[i]!).value as Trade
    total += trade.size + trade.price
  }
  return total
}

function encodeAll(schema: Schema<Trade>, trades: readonly Trade[], out: ByteWriter): number {
  out.position = 0
  for (let i = 0; i < VALUES; i++) schema.encode(trades[i]!, out)
  return out.position
}

function encodeAvsc(type: avsc.Type, trades: readonly Trade[], bytes: Buffer): number {
  let position = 0
  for (let i = 0; i < VALUES; i++) position = type.encode(trades[i]!, bytes, position)
  return position
}

/** Runs the job for its time, after half of it to warm up. */
function measureJob(job: string, engine: string, seconds: number, run: () => number): void {
  runFor(run, seconds / 2)
  const rounds = runFor(run, seconds)
  const rate = Math.round((rounds.count * VALUES) / rounds.seconds)
  result({ bench: 'schema', job, engine, n: rounds.count * VALUES, seconds: rounds.seconds, rate })
}

function runFor(run: () => number, seconds: number): { count: number; seconds: number } {
  const expected = run()
  const start = performance.now()
  let count = 0
  let passed = 0
  while (passed < seconds) {
    if (run() !== expected) throw new Error('the job gave another result than before')
    count++
    passed = (performance.now() - start) / 1000
  }
  return { count, seconds: passed }
}
