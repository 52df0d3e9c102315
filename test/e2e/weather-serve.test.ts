/** The weather platform as `npm start` serves it: with a past at once, in its own database, on its own sample data. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { serveApplication } from '../../apps/weather/serve.ts'
import type { Running } from '../../src/index.ts'

/** One of those whose weather is simulated: it has no gaps. */
const DELHI = '1273294'

let folder: string
let running: Running

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aldebaran-weather-serve-'))
})

after(async () => {
  await running.stop()
  await rm(folder, { recursive: true })
})

async function start(): Promise<void> {
  running = await serveApplication({ data: folder, host: '127.0.0.1', port: 0, workers: 1, report: () => {} })
}

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(`${running.url}${path}`)
  return (response.ok ? await response.json() : {}) as T
}

interface Lag {
  lag?: { topic: string; end: number }[]
}

async function readings(): Promise<number> {
  const { lag = [] } = await ask<Lag>('/lag')
  return lag.filter(({ topic }) => topic === 'weather_input_topic').reduce((sum, { end }) => sum + end, 0)
}

test('all cities have values from the beginning, with a past, and none of their readings is late', async () => {
  await start()
  while ((await ask<{ ids?: string[] }>('/weather/map')).ids?.length !== 15_003) await setTimeout(50)
  interface History {
    values?: { windowStart: number; readings: number; rollingHeatIndex: number | null }[]
  }
  let values: NonNullable<History['values']> = []
  while (values.length < 9) values = (await ask<History>(`/weather/cities/${DELHI}/heat-index`)).values ?? []
  assert.ok(values.every(one => one.readings === 1 && one.rollingHeatIndex !== null))
  for (const [i, { windowStart }] of values.slice(1).entries()) {
    assert.equal(values[i]!.windowStart - windowStart, 60_000)
  }
  const metrics = await (await fetch(`${running.url}/metrics`)).text()
  assert.match(metrics, /^aldebaran_late_records_total\{.*\} 0$/m)
  assert.deepEqual(metrics.match(/^aldebaran_late_records_total.* [1-9]\d*$/gm), null)
})

test('a platform that has a past is given no other one', async () => {
  const before = await readings()
  assert.ok(before > 150_000, `${before} readings`)
  await running.stop()
  await start()
  while ((await readings()) === before) await setTimeout(50)
  const more = (await readings()) - before
  assert.ok(more < 100_000, `${more} readings more`)
})
