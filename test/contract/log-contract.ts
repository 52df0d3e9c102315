/**
 * The conformance suite of `src/log/contract.ts`: what every engine has to do, as a function of a driver.
 */
import { describe, it } from 'node:test'
import { testClients } from './log-clients.ts'
import { testReading } from './log-read.ts'
import type { LogDriver, LogSuite } from './log-session.ts'
import { testTopics } from './log-topics.ts'
import { testUnits } from './log-units.ts'

export function describeLog(driver: LogDriver): void {
  describe(`log contract: ${driver.name}`, () => {
    const test: LogSuite['test'] = (name, body) => {
      it(name, async () => {
        const session = await driver.open()
        try {
          await body(session.client(), session)
        } finally {
          await session.end()
        }
      })
    }
    const suite: LogSuite = { driver, test }
    testReading(suite)
    testUnits(suite)
    testTopics(suite)
    testClients(suite)
  })
}
