/** Simulates a range of seeds in a thread of its own; see `simulate-seeds.ts`. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type SimulationResult, type SimulationSpec, simulate } from './simulate.ts'

export interface SimulationThreadData {
  kind: 'aldebaran-simulation'
  /** URL of a module that exports `simulation`. */
  module: string
  first: number
  /** This thread takes every `stride`-th seed. */
  stride: number
  end: number
}

export interface SimulationProgress {
  seeds: number
  crashes: number
  steps: number
  failures: SimulationResult[]
}

const data = workerData as SimulationThreadData | null
if (!isMainThread && parentPort !== null && data?.kind === 'aldebaran-simulation') {
  const port = parentPort
  const { simulation } = (await import(data.module)) as { simulation: SimulationSpec }
  let progress: SimulationProgress = { seeds: 0, crashes: 0, steps: 0, failures: [] }
  let told = performance.now()
  for (let seed = data.first; seed < data.end; seed += data.stride) {
    const result = await simulate(simulation, { seed })
    progress.seeds++
    progress.crashes += result.crashes
    progress.steps += result.steps
    if (result.violations.length > 0) progress.failures.push(result)
    if (performance.now() - told < 200) continue
    told = performance.now()
    port.postMessage(progress)
    progress = { seeds: 0, crashes: 0, steps: 0, failures: [] }
    // Lets what was told get out, and the end of the process in.
    await new Promise(resolve => setImmediate(resolve))
  }
  port.postMessage(progress)
  port.close()
}
