/** Deliveries over HTTP on the embedded log: a burst against a plain client, publish to received at a pace, kills. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LogLocation, Producer } from '../src/index.ts'
import { start } from '../src/runtime/start.ts'
import { events } from './deliveries-app.ts'
import { crashDeliveries } from './deliveries-crash.ts'
import { type MeasuredSite, measureDeliveries, RATE_OPTIONS } from './deliveries-rate.ts'
import { parseOptions, result } from './measure.ts'

const OPTIONS = {
  mode: { kind: 'text', default: 'rate', choices: ['rate', 'crash'] },
  ...RATE_OPTIONS,
  kills: { kind: 'number', default: 200, min: 0 },
  seed: { kind: 'number', default: 1 },
} as const

const ENTRY = new URL('./deliveries-app.ts', import.meta.url)

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, OPTIONS)
  if (options.mode === 'crash') await crash(options.kills, options.seed)
  else await measureDeliveries('deliveries', options, begin)
}

async function crash(kills: number, seed: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-deliveries-'))
  try {
    const begun = performance.now()
    const { samples, isCorrect, ...counts } = await crashDeliveries({ folder, kills, seed })
    const seconds = Number(((performance.now() - begun) / 1000).toFixed(1))
    result({ bench: 'deliveries', mode: 'crash', kills, seconds, ...counts })
    for (const sample of samples) process.stderr.write(`${sample}\n`)
    if (!isCorrect) process.exitCode = 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function begin(receiver: string, log: LogLocation): Promise<MeasuredSite> {
  process.env.DELIVERIES_URL = receiver
  // It reads its environment when it is loaded, here and in the worker.
  const { hooksApp } = (await import(`${ENTRY.href}?measured`)) as typeof import('./deliveries-app.ts')
  const running = await start(hooksApp, { log, workers: 1, entry: ENTRY })
  const producer = new Producer(running.log)
  return {
    running,
    // The body says which it is.
    send: (_kind, body) => void producer.sendBytes(events, null, body),
    flush: () => producer.flush(),
  }
}
