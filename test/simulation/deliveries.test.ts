/** More seeds, on all cores: `bin/aldebaran simulate test/simulation/deliveries.ts --seeds 2000`, as `.ci/run` does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from '../../src/testing/index.ts'
import { simulation } from './deliveries.ts'

const NO_FAULTS = { crash: 0, workerCrash: 0, diskFull: 0, clockJump: 0, move: 0 }

test('deliveries keep their guarantees, whatever crashes and whatever receivers do', async () => {
  let crashes = 0
  for (let seed = 1; seed <= 100; seed++) {
    const result = await simulate(simulation, { seed })
    assert.deepEqual(result.violations, [], `seed ${seed}`)
    crashes += result.crashes
  }
  assert.ok(crashes > 100, `only ${crashes} crashes`)
})

test('where nothing crashes, nothing is sent again after it was delivered, and in doubt is only what nobody answered', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const result = await simulate(simulation, { seed, faults: NO_FAULTS })
    assert.deepEqual(result.violations, [], `seed ${seed}`)
    assert.equal(result.crashes, 0)
  }
})

test('a seed does the same again, with every reply', async () => {
  const events: string[][] = [[], []]
  const [first, second] = [
    await simulate(simulation, { seed: 5, trace: event => events[0]!.push(event) }),
    await simulate(simulation, { seed: 5, trace: event => events[1]!.push(event) }),
  ]
  assert.deepEqual(events[0], events[1])
  assert.equal(first.digest, second.digest)
  assert.ok(events[0]!.filter(event => event.includes(' sends ')).length > 50)
})
