import assert from 'node:assert/strict'
import { test } from 'node:test'
import { workerFlags } from './worker-flags.ts'

test('workers have the flags of the process', () => {
  assert.equal(workerFlags([]), null)
  assert.equal(workerFlags(['--import', './hook.mjs', '--max-old-space-size=100']), null)
})

test('workers of a program that is an argument have those flags that say how modules are loaded', () => {
  assert.deepEqual(
    workerFlags(['--input-type=module', '-e', 'await 1', '--conditions', 'dev', '--import=./hook.mjs']),
    ['--conditions', 'dev', '--import=./hook.mjs'],
  )
  assert.deepEqual(workerFlags(['--title=here', '--input-type', 'module']), [])
})
