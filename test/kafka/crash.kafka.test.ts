/** What `npm run bench -- chaos` does for long, a few times: nodes of the auditor break at the steps of their commits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chaos } from '../../bench/chaos.ts'
import { FAULTS } from '../../bench/cluster-faults.ts'

const CHOSEN = [
  'connection reset: batches written',
  'connection reset: positions written',
  'connection reset: end written',
  'connections reset',
  'node paused',
  'node killed: positions written',
] as const

test('connections, nodes and the network fail within commits: nothing is lost, doubled or wiped', async () => {
  const { outcome, counts } = await chaos({
    faults: CHOSEN.map(name => [name, FAULTS[name]] as const),
    times: CHOSEN.length,
    rate: 500,
    nodes: 2,
    standbys: 1,
    brokers: 1,
    partitions: 2,
    seed: 1,
    logs: null,
  })
  const { messages, alerts, books, samples, ...wrong } = outcome
  assert.equal(counts.size, CHOSEN.length)
  assert.ok(messages > 0 && alerts > 0 && books > 0)
  assert.deepEqual(
    { ...wrong, samples },
    { missing: 0, duplicates: 0, unexpected: 0, lost: 0, wrong_books: 0, dead_letters: 0, samples: [] },
  )
})
