/** More seeds, on all cores: `bin/aldebaran simulate test/simulation/windows.ts --seeds 2000`, as `.ci/run` does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from '../../src/testing/index.ts'
import { simulation } from './windows.ts'

test('each reading counts once in each of its windows, or is told to be late, whatever crashes', async () => {
  let crashes = 0
  for (let seed = 1; seed <= 100; seed++) {
    const result = await simulate(simulation, { seed })
    assert.deepEqual(result.violations, [], `seed ${seed}`)
    crashes += result.crashes
  }
  assert.ok(crashes > 100, `only ${crashes} crashes`)
})
