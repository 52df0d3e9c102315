import { setTimeout } from 'node:timers/promises'
import { AldebaranError } from '../errors.ts'
import type { PartitionReader } from '../log/contract.ts'

/** What is in the log has to be here within this time, ms. */
const LONGEST_MS = 10_000
const PAUSE_MS = 1

/**
 * Polls for what lies before `to`, and waits for it where it comes from elsewhere. False: there is nothing (more).
 * @throws AldebaranError BUSY when nothing came
 */
export async function pollSoon(reader: PartitionReader, to: number, maxBytes: number): Promise<boolean> {
  const until = performance.now() + LONGEST_MS
  for (;;) {
    if (reader.position >= to) return false
    if (reader.poll(maxBytes)) return true
    if (performance.now() > until) {
      const { topic, partition } = reader
      throw new AldebaranError('BUSY', `the records of ${topic}/${partition} did not come within ${LONGEST_MS} ms`, {
        topic,
        partition,
      })
    }
    await setTimeout(PAUSE_MS)
  }
}
