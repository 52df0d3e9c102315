/** More seeds, on all cores: `bin/aldebaran simulate test/simulation/joins.ts --seeds 2500`, as `.ci/run` does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Scenario, type SimulationSpec, simulate } from '../../src/testing/index.ts'
import type { Told } from './join-rules.ts'
import { changes, late, lookUps, pairs, simulation } from './joins.ts'

test('each pair and each side without one is told once, and tables end as the log says, whatever crashes', async () => {
  const counts = { pairs: 0, alone: 0, late: 0, lookUps: 0, changes: 0 }
  const counted: SimulationSpec = { ...simulation, scenario: random => counting(simulation.scenario(random), counts) }
  let crashes = 0
  for (let seed = 1; seed <= 100; seed++) {
    const result = await simulate(counted, { seed })
    assert.deepEqual(result.violations, [], `seed ${seed}`)
    crashes += result.crashes
  }
  assert.ok(crashes > 100, `only ${crashes} crashes`)
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 1000, `only ${count} ${what}`)
})

/** What is compared must be there, or nothing was. */
function counting(scenario: Scenario, counts: Record<string, number>): Scenario {
  return {
    ...scenario,
    check(end) {
      const results = Object.values(pairs).flatMap(of => end.records(of).map(record => record.value as Told))
      const alone = results.filter(({ left, right }) => left === null || right === null).length
      counts.pairs! += results.length - alone
      counts.alone! += alone
      for (const [name, topics] of Object.entries({ late, lookUps, changes })) {
        for (const of of Object.values(topics)) counts[name]! += end.records(of).length
      }
      return scenario.check(end)
    },
  }
}
