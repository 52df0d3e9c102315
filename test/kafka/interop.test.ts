/** Our engine and Kafka's own clients on the same topics. The parts are in test/kafka/interop/. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { kafkaBroker } from '../servers/kafka.ts'
import { startJavaPeer } from './interop/java-peer.ts'
import { describePositions } from './interop/positions.ts'
import { describeRecords } from './interop/records.ts'
import { describeTransactions } from './interop/transactions.ts'
import { describeUnits } from './interop/units.ts'

const { bootstrap } = await kafkaBroker()
const java = await startJavaPeer(bootstrap)

if (typeof java === 'string') {
  test("Kafka's own clients", t => {
    assert.ok(!process.env.CI, java)
    t.skip(java)
  })
} else {
  after(() => java.end())
  for (const part of [describeRecords, describeTransactions, describeUnits]) part({ java, bootstrap })
  await describePositions({ java, bootstrap })
}
