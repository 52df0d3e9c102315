import type { ResourceLimits } from 'node:worker_threads'

/**
 * Of the threads of an application with deliveries. By itself V8 lets each have 96 MB of objects made a moment ago before
 * it looks which of them are in use; deliveries make many, and are as fast with a quarter of that.
 */
const DELIVERING: ResourceLimits = { maxYoungGenerationSizeMb: 24 }

export function threadLimits(deliveries: number): ResourceLimits {
  return deliveries === 0 ? {} : DELIVERING
}
