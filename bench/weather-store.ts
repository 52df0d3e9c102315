/** Forecasts into PostgreSQL and PGlite: rows per second, and an outage under load, counted row by row. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, pglite, serverDatabase } from 'aldebaran/postgres'
import { forecast, MINUTE, StoreSite } from '../apps/weather/store/test/site.ts'
import { postgresServer } from '../test/servers/postgres.ts'
import { cpuSeconds, parseOptions, peakRssMb, result } from './measure.ts'

const START = Date.parse('2024-02-01T00:00:00Z')
const CHUNK = 5000
const PACE_MS = 50

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, {
    rows: { kind: 'number', default: 200_000, min: 1000 },
    cities: { kind: 'number', default: 15_000, min: 1 },
    rate: { kind: 'number', default: 15_000, min: 100 },
  })
  const server = await postgresServer()
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-weather-bench-'))
  try {
    await load('postgresql', serverDatabase(server.url), options.rows, options.cities)
    await load('pglite', pglite(join(folder, 'postgres')), options.rows, options.cities)
    await outage(server, options.rate, options.cities)
  } finally {
    await server.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

function* forecasts(from: number, count: number, cities: number) {
  for (let number = from; number < from + count; number++) {
    const windowStart = START + Math.floor(number / cities) * MINUTE
    yield forecast(String(number % cities), windowStart, { heatIndex: number / 16, rollingHeatIndex: number / 32 })
  }
}

/** All that is there already, as fast as it goes. */
async function load(name: string, database: Database, rows: number, cities: number): Promise<void> {
  await using site = await StoreSite.open({ database, retention: null, partition: 'day', name: 'load' })
  for (let sent = 0; sent < rows; sent += CHUNK) {
    await site.send([...forecasts(sent, Math.min(CHUNK, rows - sent), cities)])
  }
  const behind = site.state().records
  const [began, cpu] = [performance.now(), cpuSeconds()]
  await site.written(rows)
  const seconds = (performance.now() - began) / 1000
  const counted = await count(database)
  result({
    bench: 'weather-store',
    into: name,
    rows,
    rowsTimed: rows - behind,
    seconds,
    rowsPerSecond: (rows - behind) / seconds,
    cpuSeconds: cpuSeconds() - cpu,
    peakRssMb: peakRssMb(),
    lost: rows - counted,
  })
}

/** At a constant rate: sockets are cut, PostgreSQL is killed, stays away for three seconds, comes back. */
async function outage(server: Awaited<ReturnType<typeof postgresServer>>, rate: number, cities: number): Promise<void> {
  const database = serverDatabase(server.url)
  const before = await count(database)
  const first = 10_000_000
  await using site = await StoreSite.open({ database, retention: null, partition: 'day', name: 'outage' })
  let sent = 0
  let isOver = false
  let longestSend = 0
  let highestLag = 0
  const began = performance.now()
  const sending = (async () => {
    while (!isOver) {
      const due = Math.floor(((performance.now() - began) / 1000) * rate) - sent
      const at = performance.now()
      if (due > 0) await site.send([...forecasts(first + sent, due, cities)])
      longestSend = Math.max(longestSend, performance.now() - at)
      sent += Math.max(0, due)
      highestLag = Math.max(highestLag, site.state().lag ?? 0)
      await new Promise(resolve => setTimeout(resolve, PACE_MS))
    }
  })()
  await site.written(2 * rate)
  for (let cut = 0; cut < 3; cut++) {
    const session = await database.connect('cutter', () => {})
    await session.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
    await session.close()
    await site.written(site.state().records + rate / 2)
  }
  await server.kill()
  const downAt = performance.now()
  const sentAtKill = sent
  await new Promise(resolve => setTimeout(resolve, 3000))
  const sentWhileDown = sent - sentAtKill
  await server.start()
  const upAt = performance.now()
  const records = site.state().records
  await site.written(records + 1)
  const firstRowAt = performance.now()
  while ((site.state().lag ?? rate) > rate / 2) await new Promise(resolve => setTimeout(resolve, 5))
  const drainedAt = performance.now()
  isOver = true
  await sending
  while (site.state().lag !== 0) await new Promise(resolve => setTimeout(resolve, 5))
  const stored = (await count(database)) - before
  result({
    bench: 'weather-store',
    into: 'postgresql, killed',
    rate,
    sent,
    stored,
    lost: Math.max(0, sent - stored),
    rejected: site.state().rejected,
    awaySeconds: (upAt - downAt) / 1000,
    takenWhileAway: sentWhileDown,
    longestSendMs: longestSend,
    highestLag,
    firstRowAfterMs: firstRowAt - upAt,
    caughtUpAfterMs: drainedAt - upAt,
  })
}

async function count(database: Database): Promise<number> {
  const session = await database.connect('count', () => {})
  try {
    const { rows } = await session.query<{ exists: boolean }>(`SELECT to_regclass('forecasts') IS NOT NULL AS exists`)
    if (rows[0]?.exists !== true) return 0
    return (await session.query<{ count: number }>('SELECT count(*)::int AS count FROM forecasts')).rows[0]!.count
  } finally {
    await session.close()
  }
}
