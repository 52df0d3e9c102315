import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AldebaranError } from '../src/errors.ts'
import { cpuSeconds, parseOptions, peakRssMb, percentiles } from './measure.ts'

const SPECS = {
  messages: { kind: 'number', default: 1000, min: 1, max: 1e9 },
  engine: { kind: 'text', default: 'embedded', choices: ['embedded', 'kafka'] },
  batchSize: { kind: 'number', default: 100 },
  verify: { kind: 'flag' },
} as const

function refusal(args: string[]): string {
  try {
    parseOptions(args, SPECS)
  } catch (error) {
    assert.ok(error instanceof AldebaranError)
    assert.equal(error.code, 'OPTION_INVALID')
    return error.message
  }
  return assert.fail('the options were accepted')
}

test('options that are not given have their defaults', () => {
  assert.deepEqual(parseOptions([], SPECS), { messages: 1000, engine: 'embedded', batchSize: 100, verify: false })
})

test('options are read in both spellings', () => {
  const options = parseOptions(['--messages', '1_000_000', '--batch-size=2e3', '--engine=kafka', '--verify'], SPECS)
  assert.deepEqual(options, { messages: 1_000_000, engine: 'kafka', batchSize: 2000, verify: true })
})

test('a wrong option is refused in words that say what is right', () => {
  assert.equal(
    refusal(['--mesages', '1']),
    'there is no option --mesages: there are --messages, --engine, --batch-size, --verify',
  )
  assert.equal(refusal(['--messages']), '--messages needs a value')
  assert.equal(refusal(['--messages', '--verify']), '--messages needs a value')
  assert.equal(refusal(['--messages=many']), '--messages needs a number, not many')
  assert.equal(refusal(['--messages=0']), '--messages is at least 1, not 0')
  assert.equal(refusal(['--messages=1e10']), '--messages is at most 1000000000, not 1e10')
  assert.equal(refusal(['--engine', 'redis']), '--engine is one of embedded, kafka, not redis')
  assert.equal(refusal(['--verify=no']), '--verify takes no value')
})

test('each percentile is the smallest measurement that its share of all does not exceed', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), values => {
      const sorted = Float64Array.from(values).sort()
      const { p50, p99, min, max, count } = percentiles(sorted)
      for (const [share, value] of [
        [0.5, p50],
        [0.99, p99],
      ] as const) {
        assert.ok(sorted.includes(value))
        assert.ok(sorted.filter(other => other <= value).length >= share * count)
        assert.ok(sorted.filter(other => other < value).length < share * count)
      }
      assert.equal(min, sorted[0])
      assert.equal(max, sorted[count - 1])
    }),
  )
})

test('percentiles of nothing, or of unsorted measurements, are refused', () => {
  assert.throws(() => percentiles(new Float64Array(0)), { code: 'OPTION_INVALID' })
  assert.throws(() => percentiles(Float64Array.of(2, 1)), { code: 'OPTION_INVALID' })
})

test('the cost of the process is told in seconds and megabytes', () => {
  const before = cpuSeconds()
  assert.ok(before > 0 && before <= cpuSeconds())
  const megabytes = process.memoryUsage().rss / 1024 / 1024
  assert.ok(peakRssMb() > megabytes / 10 && peakRssMb() < megabytes * 10)
})
