import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { SimulationProgress, SimulationThreadData } from './simulation-thread.ts'

export interface SeedsSettings {
  /** URL of a module that exports `simulation`, a SimulationSpec. */
  module: URL
  from: number
  seeds: number
  threads: number
  signal: AbortSignal
  /** Called a few times a second with the sums so far. */
  progress: (sum: SimulationProgress) => void
}

/** Simulates many seeds on several threads; the sums of all, with every seed that failed. */
export async function simulateSeeds(settings: SeedsSettings): Promise<SimulationProgress> {
  const { module, from, seeds, threads, signal, progress } = settings
  const sum: SimulationProgress = { seeds: 0, crashes: 0, steps: 0, failures: [] }
  const url = new URL(`./simulation-thread${extname(import.meta.url)}`, import.meta.url)
  const workers = Array.from({ length: Math.min(threads, seeds) }, (_, i) => {
    const data: SimulationThreadData = {
      kind: 'aldebaran-simulation',
      module: module.href,
      first: from + i,
      stride: Math.min(threads, seeds),
      end: from + seeds,
    }
    const worker = new Worker(url, { workerData: data })
    worker.on('message', (more: SimulationProgress) => {
      sum.seeds += more.seeds
      sum.crashes += more.crashes
      sum.steps += more.steps
      sum.failures.push(...more.failures)
      progress(sum)
    })
    return worker
  })
  const stop = (): void => {
    for (const worker of workers) void worker.terminate()
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    await Promise.all(workers.map(worker => once(worker, 'exit')))
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
  sum.failures.sort((a, b) => a.seed - b.seed)
  return sum
}
