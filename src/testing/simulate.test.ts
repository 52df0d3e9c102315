import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pipeline } from '../pipeline/pipeline.ts'
import { topic } from '../pipeline/topic.ts'
import { application } from '../runtime/application.ts'
import { avro } from '../schema/avro.ts'
import { t } from '../schema/field-types.ts'
import { text } from '../schema/primitives.ts'
import { encodeRecord } from './encode-record.ts'
import type { SeededRandom } from './random.ts'
import { type SimulationSpec, simulate } from './simulate.ts'

const words = topic('words', { key: text(), value: avro('Word', { word: t.string }), partitions: 2 })
const counts = topic('counts', { key: text(), value: avro('Count', { count: t.int }), partitions: 2 })

/** A row is deleted at this count, and the next one begins at 1 again. */
const FORGET_AT = 3

/** Counts words; a word with an 'x' is refused after the row was changed. */
function counting(count: (row: { count: number }) => void): SimulationSpec {
  const counter = pipeline('counter')
  const table = counter.table('counts', { key: text(), row: { count: t.int } })
  counter
    .from(words)
    .keyBy('by-word', ({ word }) => word, { key: text(), value: words.value })
    .into(table, ({ word }, row) => {
      count(row)
      if (word.includes('x')) throw new Error('an x')
      const told = { count: row.count }
      if (row.count === FORGET_AT) row.delete()
      return told
    })
    .to(counts)
  return {
    application: application('words', { pipelines: [counter] }),
    scenario: random => wordsScenario(random),
  }
}

function wordsScenario(random: SeededRandom) {
  const alphabet = ['a', 'b', 'c', 'd', 'ax', 'bx']
  const sent = Array.from({ length: 120 }, () => random.pick(alphabet))
  const expected = Object.entries(Object.groupBy(sent, word => word)).map(([word, all]) => [word, all!.length] as const)
  return {
    records: sent.map(word => encodeRecord(words, null, { word })),
    settleMs: 0,
    check: (end: Parameters<ReturnType<SimulationSpec['scenario']>['check']>[0]) => {
      const problems: string[] = []
      for (const [word, count] of expected) {
        const refused = word.includes('x')
        const told = end
          .records(counts)
          .filter(record => record.key === word)
          .map(record => (record.value as { count: number }).count)
        const want = refused ? [] : Array.from({ length: count }, (_, i) => (i % FORGET_AT) + 1)
        if (told.join() !== want.join()) problems.push(`${word}: told ${told}, not ${want}`)
      }
      const refusals = sent.filter(word => word.includes('x')).length
      if (end.deadLetters().length !== refusals)
        problems.push(`${end.deadLetters().length} dead letters, not ${refusals}`)
      return problems
    },
  }
}

const correct = counting(row => {
  row.count++
})

test('counts are exact and refused words leave no trace, whatever crashes', async () => {
  let crashes = 0
  for (let seed = 1; seed <= 60; seed++) {
    const result = await simulate(correct, { seed })
    assert.deepEqual(result.violations, [], `seed ${seed}`)
    crashes += result.crashes
  }
  assert.ok(crashes > 60, `only ${crashes} crashes`)
})

test('a seed does the same again, step by step', async () => {
  for (const seed of [7, 8]) {
    const events: string[][] = [[], []]
    const [first, second] = [
      await simulate(correct, { seed, trace: event => events[0]!.push(event) }),
      await simulate(correct, { seed, trace: event => events[1]!.push(event) }),
    ]
    assert.deepEqual(events[0], events[1])
    assert.equal(first.digest, second.digest)
    assert.ok(events[0]!.length > 20)
  }
})

test('state outside of tables is found out', async () => {
  let total = 0
  const wrong = counting(row => {
    total++
    row.count = total
  })
  const result = await simulate(wrong, { seed: 1, faults: { crash: 0, workerCrash: 0, diskFull: 0, clockJump: 0 } })
  assert.notDeepEqual(result.violations, [])
})
