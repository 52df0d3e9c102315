import { openLog } from '../log/host.ts'
import { staticDirector } from './assignment.ts'
import type { EngineSettings, LogEngine } from './log-engine.ts'
import type { EmbeddedLocation, LogLocation } from './log-location.ts'
import { measureSizes } from './task-plan.ts'
import { threadLimits } from './thread-limits.ts'

export async function openEngine(location: LogLocation, settings: EngineSettings): Promise<LogEngine> {
  if (location.kind === 'embedded') return await embeddedEngine(location, settings)
  // Loaded only when asked for.
  const { openKafkaEngine } = await import('./kafka/kafka-engine.ts')
  return await openKafkaEngine(location, settings)
}

async function embeddedEngine(location: EmbeddedLocation, { plans }: EngineSettings): Promise<LogEngine> {
  const { path, durability, maxBytes } = location
  const limits = threadLimits(measureSizes(plans).deliveries)
  const host = await openLog({ path, durability, maxBytes, limits })
  return {
    client: () => host.client(),
    address: () => host.address(),
    workerAddress: () => host.address(),
    sole: () => null,
    apiChanged: () => {},
    release: address => host.release(address),
    director: () => staticDirector(plans),
    ask: () => Promise.resolve(undefined),
    nodes: () => [],
    isSettled: true,
    lingerMs: 0,
    counters: () => null,
    problems: () => [],
    stopped: host.stopped,
    close: () => host.close(),
  }
}
