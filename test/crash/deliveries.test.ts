/** Deliveries that are killed while they send: the receiver, in a process of its own, says what it took. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { crashDeliveries } from '../../bench/deliveries-crash.ts'

const KILLS = 20

test(`kill -9 ${KILLS} times while it sends: at-least-once loses nothing, at-most-once sends nothing twice and knows its doubts`, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-deliveries-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const verdict = await crashDeliveries({ folder, kills: KILLS, seed: 1 })
  assert.ok(verdict.isCorrect, JSON.stringify(verdict))
  assert.ok(verdict.events > KILLS)
  // The kills hit it while it sent.
  assert.ok(verdict.duplicates > 0 && verdict.in_doubt > 0, JSON.stringify(verdict))
})
