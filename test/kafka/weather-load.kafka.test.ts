/** A load test of the weather platform on Kafka, where offsets have gaps: each transaction takes one of its own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kafka, run } from 'aldebaran'
import { runConstant } from '../../apps/weather/load/index.ts'
import { app } from '../../apps/weather/load/test/application.ts'
import { Api } from '../../src/cli/api.ts'
import { kafkaBroker } from '../servers/kafka.ts'

test('every reading of a constant load is told of once', async () => {
  // Its own: the topics of the platform have one name each.
  await using broker = await kafkaBroker({})
  const running = await run(app, {
    log: kafka(broker.bootstrap),
    http: { port: 0, tokens: [], console: false },
    entry: new URL('../../apps/weather/load/test/application.ts', import.meta.url),
    workers: 1,
    signals: false,
    report: () => {},
  })
  try {
    const { report } = await runConstant({
      connect: signal => new Api(running.url!, null, signal),
      signal: new AbortController().signal,
      rate: 100,
      cities: 9,
      forMs: 3000,
    })
    assert.ok(report.accepted > 0)
    assert.deepEqual([report.refusals, report.accepted, report.lost, report.doubled], [{}, report.sent, 0, 0])
    assert.equal(report.told + report.late, report.accepted)
  } finally {
    await running.stop()
  }
})
