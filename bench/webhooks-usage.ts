/** What a process uses, as Linux tells it, and whether its memory grows. */
import { readFileSync } from 'node:fs'

/** MB are of 1024² bytes. */
export interface Usage {
  /** When, s. */
  at: number
  cpuSeconds: number
  rssMb: number
  /** Of that what it has for itself: without the pages of files. */
  anonMb: number
}

/** As Linux counts CPU time for programs, whatever the kernel was built with. */
const TICKS_PER_SECOND = 100

export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name may hold anything, also brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024
  return {
    at: performance.now() / 1000,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    rssMb: mb('VmRSS'),
    anonMb: mb('RssAnon'),
  }
}

/** CPU time that all programs of this machine used since it was started, s: what others use is no result of ours. */
function machineCpuSeconds(): number {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/)
  return [user, nice, system, irq, softirq].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}

/** The most that it ever had, MB. */
export function peakRssOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

export class UsageSampler implements Disposable {
  readonly samples: Usage[] = []
  readonly #machine = machineCpuSeconds()
  readonly #pid: number
  readonly #timer: NodeJS.Timeout

  constructor(pid: number, everyMs = 1000) {
    this.#pid = pid
    this.sample()
    this.#timer = setInterval(() => {
      try {
        this.sample()
      } catch {
        // It has ended, and whoever waits for it is told so elsewhere.
        clearInterval(this.#timer)
      }
    }, everyMs)
    this.#timer.unref()
  }

  sample(): Usage {
    const usage = usageOf(this.#pid)
    this.samples.push(usage)
    return usage
  }

  /** Of all programs since the sampler began, s. */
  get machineCpuSeconds(): number {
    return machineCpuSeconds() - this.#machine
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

export interface Trend {
  max: number
  /** Means of the first and the last third of the time. */
  first: number
  last: number
  /** Of the line that fits best through the last two thirds: the first is a start. Per minute. */
  slopePerMinute: number
}

export function trendOf(samples: readonly Usage[], of: 'rssMb' | 'anonMb'): Trend {
  const third = Math.max(1, Math.floor(samples.length / 3))
  const values = samples.map(sample => sample[of])
  const later = samples.length < 3 ? samples : samples.slice(third)
  const times = later.map(({ at }) => at / 60)
  const [meanTime, meanValue] = [mean(times), mean(later.map(sample => sample[of]))]
  let [covariance, variance] = [0, 0]
  for (const [i, sample] of later.entries()) {
    covariance += (times[i]! - meanTime) * (sample[of] - meanValue)
    variance += (times[i]! - meanTime) ** 2
  }
  return {
    max: Math.max(...values),
    first: mean(values.slice(0, third)),
    last: mean(values.slice(-third)),
    slopePerMinute: variance === 0 ? 0 : covariance / variance,
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}
