/** How far an application that is measured has come. */
import { setTimeout } from 'node:timers/promises'
import type { Running } from '../src/index.ts'

/** Records that its tasks have read so far. */
export function processed(running: Running): number {
  return running.workers.reduce((sum, worker) => sum + worker.measures.get('recordsIn'), 0)
}

/** Records of the topics of a group whose processing is committed. */
export function committed(running: Running, group: string): number {
  return running.log.positions(group).reduce((sum, { offset }) => sum + offset, 0)
}

/** Looks each `stepMs` until it is so. Returns when that was, monotonic ms. @throws after `limitMs` */
export async function until(running: Running, done: () => boolean, limitMs: number, stepMs: number): Promise<number> {
  const limit = performance.now() + limitMs
  while (!done()) {
    if (performance.now() > limit) throw new Error(`not done after ${limitMs} ms: ${JSON.stringify(running.health())}`)
    await setTimeout(stepMs)
  }
  return performance.now()
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
