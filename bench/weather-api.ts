/** The weather API: cached reads a CPU-second and their latency at 1,000 connections, and that no read is stale. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseOptions, result } from './measure.ts'
import type { ApiCalls } from './weather-api-app.ts'
import { checkReads } from './weather-api-check.ts'
import { forecastOf, MINUTE } from './weather-api-forecasts.ts'
import type { LoadCalls, LoadResult } from './weather-api-load.ts'
import { Program } from './webhooks-process.ts'

const NOON = Date.UTC(2024, 6, 1, 12)
/** What is promised, for the exit code. */
const LEAST_RATE = 15_000
const LONGEST_P99 = 10

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, {
    connections: { kind: 'number', default: 1000, min: 1, max: 20_000 },
    /** Of each of the two measurements. */
    seconds: { kind: 'number', default: 10, min: 1, max: 600 },
    /** Cities that are asked for. */
    cities: { kind: 'number', default: 1000, min: 1, max: 15_003 },
    /** Windows of each city. */
    windows: { kind: 'number', default: 60, min: 1, max: 1440 },
    /** Writes that are checked. */
    writes: { kind: 'number', default: 2000, min: 1 },
    /** Requests a second of the open loop; 0: 60 % of what the closed loop got. */
    rate: { kind: 'number', default: 0, min: 0 },
  })
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-api-'))
  try {
    await using api = await Program.start<ApiCalls>('weather-api-app.ts')
    await using load = await Program.start<LoadCalls>('weather-api-load.ts')
    const { url, ids } = await api.call('start', { folder, windowMs: MINUTE })
    const port = Number(new URL(url).port)
    const asked = ids.slice(0, options.cities)
    for (let window = 0; window < options.windows; window++) {
      const value = (city: string, i: number) =>
        forecastOf(city, NOON + window * MINUTE, 60 + ((i * 7 + window) % 500) / 10)
      // Every city has a value; those that are asked for have a history too.
      await api.call('write', (window === 0 ? ids : asked).map(value))
    }
    await until(async () => (await api.call('usage', null)).withValue === ids.length)
    const paths = pathsOf(asked)
    const measure = async (rate: number | null, seconds = options.seconds) => {
      const before = await api.call('usage', null)
      const loaded = await load.call('load', { port, connections: options.connections, paths, seconds, rate })
      const after = await api.call('usage', null)
      return { loaded, cpu: after.cpuSeconds - before.cpuSeconds, rss: after.peakRssMb }
    }
    // The first round compiles the code, and makes the answers ready.
    await measure(null, 3)
    const closed = await measure(null)
    const perCpuSecond = Math.round(closed.loaded.requests / closed.cpu)
    result({ bench: 'weather-api', loop: 'closed', perCpuSecond, ...told(closed), connections: options.connections })
    const rate = options.rate || Math.round((0.6 * closed.loaded.requests) / closed.loaded.seconds)
    const open = await measure(rate)
    result({ bench: 'weather-api', loop: 'open', offered: rate, ...told(open), connections: options.connections })

    const under = load.call('load', {
      port,
      connections: options.connections,
      paths,
      seconds: 5,
      rate: Math.round(rate / 2),
    })
    const checked = await checkReads(url, asked, options.writes, NOON + options.windows * MINUTE, values =>
      api.call('write', values),
    )
    await under
    result({ bench: 'weather-api', check: 'reads after writes', ...checked })
    const isGood =
      perCpuSecond >= LEAST_RATE &&
      open.loaded.latency.p99 <= LONGEST_P99 &&
      checked.stale === 0 &&
      closed.loaded.failed + open.loaded.failed === 0
    if (!isGood) process.exitCode = 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Of ten requests eight are for a city, one for its last hour, one for the hottest. */
function pathsOf(ids: readonly string[]): string[] {
  return ids.map((id, i) => {
    if (i % 10 === 8) return `/weather/cities/${id}/heat-index`
    return i % 10 === 9 ? '/weather/hottest' : `/weather/cities/${id}`
  })
}

function told({ loaded, cpu, rss }: { loaded: LoadResult; cpu: number; rss: number }) {
  const { requests, failed, seconds, latency, p99s, bytes } = loaded
  const sorted = p99s.map(ms => Math.round(ms * 100) / 100).sort((a, b) => a - b)
  const rounded = Object.fromEntries(Object.entries(latency).map(([name, ms]) => [name, Math.round(ms * 100) / 100]))
  return {
    rate: Math.round(requests / seconds),
    requests,
    failed,
    seconds: Math.round(seconds * 100) / 100,
    serverCpuSeconds: Math.round(cpu * 100) / 100,
    latencyMs: rounded,
    p99BySecondMs: { best: sorted[0], median: sorted[sorted.length >> 1], worst: sorted.at(-1) },
    megabytesPerSecond: Math.round(bytes / seconds / 1e6),
    serverPeakRssMb: Math.round(rss),
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 50))
}
