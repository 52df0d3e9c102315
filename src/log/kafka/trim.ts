import { setTimeout as pause } from 'node:timers/promises'
import { AldebaranError } from '../../errors.ts'
import type { Trim } from '../contract.ts'
import { backOff } from './back-off.ts'
import { type Cluster, isPassing, refusal } from './cluster.ts'
import { deleteRecords } from './wire/admin-messages.ts'
import { fateOfCode, NONE } from './wire/error-codes.ts'

/** Deletes what lies before the offsets. Throws OFFSET_OUT_OF_RANGE for one beyond the end. */
export async function trim(cluster: Cluster, trims: readonly Trim[]): Promise<void> {
  let left = [...trims]
  const until = performance.now() + cluster.settings.requestTimeoutMs
  for (let tries = 0; left.length > 0; tries++) {
    const failed: Trim[] = []
    const leaders = new Map<number, Trim[]>()
    for (const one of left) {
      const leader = cluster.leader(one.topic, one.partition)
      if (leader < 0) failed.push(one)
      else leaders.set(leader, [...(leaders.get(leader) ?? []), one])
    }
    for (const [broker, some] of leaders) failed.push(...(await trimAt(cluster, broker, some)))
    left = failed
    if (left.length === 0) return
    if (performance.now() > until)
      throw new AldebaranError('KAFKA_UNREACHABLE', `${left[0]!.topic} cannot be trimmed now`)
    await cluster.refresh().catch(() => {})
    await pause(backOff(tries, 250))
  }
}

/** Returns those that have to be tried again. */
async function trimAt(cluster: Cluster, broker: number, trims: readonly Trim[]): Promise<Trim[]> {
  const topics = new Map<string, Map<number, number>>()
  for (const { topic, partition, before } of trims) {
    const partitions = topics.get(topic) ?? new Map<number, number>()
    topics.set(topic, partitions)
    partitions.set(partition, Math.max(before, partitions.get(partition) ?? 0))
  }
  const failed: Trim[] = []
  try {
    const connection = await cluster.connection(broker, 'control')
    const answer = await connection.request(deleteRecords, {
      topics: [...topics].map(([name, partitions]) => ({
        name,
        partitions: [...partitions].map(([partition, offset]) => ({ partition, offset })),
      })),
      timeoutMs: cluster.settings.requestTimeoutMs,
    })
    for (const { name, partitions } of answer.topics) {
      for (const { partition, errorCode } of partitions) {
        if (errorCode === NONE) continue
        const before = topics.get(name)!.get(partition)!
        const fate = fateOfCode(errorCode)
        if (fate === 'metadata' || fate === 'retry') failed.push({ topic: name, partition, before })
        else {
          const what = `trimming ${name}/${partition} to ${before}`
          throw refusal(errorCode, what, { topic: name, partition, offset: before })
        }
      }
    }
  } catch (error) {
    if (!isPassing(error)) throw error
    return [...trims]
  }
  return failed
}
