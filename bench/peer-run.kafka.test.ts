/** What `npm run bench -- failover --peer …` does, small: the program is ours, told and telling as any other. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { kafkaBroker } from '../test/servers/kafka.ts'
import { isCorrect } from './cluster-run.ts'
import { killOne } from './failover-kill.ts'
import { PeerRun, type PeerRunSettings } from './peer-run.ts'

const LIMIT_MS = 60_000
/** No book is due before the end, however slow the machine is. */
const DELTA_MS = 6 * 3_600_000

function settingsOf(brokers: string, command: string): PeerRunSettings {
  const load = { brokers, rate: 1000, seed: 1, overbought: 0.2, partitions: 2, timers: false, deltaMs: DELTA_MS }
  return { ...load, command, nodes: 2, limitMs: LIMIT_MS, logs: null }
}

test('processes of a command do the job; one is killed and comes back, and its alerts are checked', async t => {
  await using kafka = await kafkaBroker({ properties: {} })
  const command = `"${join(import.meta.dirname, 'audit-peer')}" --standbys 1 --state "$AUDIT_FOLDER/copies"`
  const run = await PeerRun.begin(settingsOf(kafka.bootstrap, command))
  t.after(() => run.close())
  const { pause, settledMs } = await killOne(run, run.nodes[0]!, { limitMs: LIMIT_MS, restMs: 0 })
  assert.ok(pause.gap > 0 && settledMs >= pause.gap)
  const outcome = await run.finish(LIMIT_MS)
  assert.ok(outcome.alerts > 0 && outcome.messages > 0)
  assert.ok(isCorrect(outcome), JSON.stringify(outcome))
})

test('a command that cannot be run is told, and nothing stays behind', async () => {
  await using kafka = await kafkaBroker({ properties: {} })
  await assert.rejects(
    PeerRun.begin(settingsOf(kafka.bootstrap, '/no/such/program')),
    /node-0 ended by itself: 127\n.*\/no\/such\/program/,
  )
})
