/**
 * The embedded log alone: append throughput by batch size and durability, reading, and how long it takes from an append
 * in one thread until a reader that sleeps in another one has it. One JSON line a figure.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Log } from '../src/log/contract.ts'
import { type LogHost, openLog } from '../src/log/host.ts'
import { BatchWriter } from '../src/record/batch-writer.ts'

type Durability = 'process' | 'disk'

const BATCH_BYTES = [1_000, 16_000, 64_000, 256_000, 1_000_000]
const RECORD_BYTES = 100
const IN_FLIGHT = 8
const ROUNDS = 300
const MB = 1e6

/** Arguments: --seconds N for each figure (default 1). */
export async function bench(args: readonly string[]): Promise<void> {
  const at = args.indexOf('--seconds')
  const ms = 1000 * (at < 0 ? 1 : Number(args[at + 1]))
  for (const durability of ['process', 'disk'] as const) {
    for (const bytes of BATCH_BYTES) await withLog(durability, log => append(log, durability, bytes, ms))
    await withLog(durability, (log, host) => latency(log, host, durability))
  }
  await withLog('process', read)
}

async function withLog(durability: Durability, work: (log: Log, host: LogHost) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'aldebaran-bench-'))
  const host = await openLog({ path, durability, maxBytes: 8 * 1024 ** 3 })
  const log = host.client()
  try {
    await log.createTopic('t', { partitions: 1, retentionBytes: 512 * MB })
    await work(log, host)
  } finally {
    await host.close()
    rmSync(path, { recursive: true, force: true })
  }
}

function batchOf(bytes: number): Buffer {
  const writer = new BatchWriter()
  const value = Buffer.alloc(RECORD_BYTES, 7)
  do writer.append(1, null, 0, 0, value, 0, value.length)
  while (writer.bytes < bytes)
  return Buffer.from(writer.finish())
}

/** Keeps some units of one batch each in flight, as a worker does. */
async function append(log: Log, durability: Durability, bytes: number, ms: number): Promise<void> {
  const batch = batchOf(bytes)
  const appends = [{ topic: 't', partition: 0, batch }]
  const start = performance.now()
  let inFlight = 0
  let commits = 0
  let problem: Error | null = null
  while (performance.now() - start < ms) {
    while (inFlight < IN_FLIGHT) {
      inFlight++
      log.submit({ appends }, error => {
        problem ??= error
        inFlight--
        commits++
      })
    }
    log.pump()
    if (inFlight === IN_FLIGHT) log.wait(1000)
    if (problem !== null) throw problem
  }
  const seconds = (performance.now() - start) / 1000
  tell({
    bench: 'append',
    durability,
    batchBytes: batch.length,
    commitsPerSecond: Math.round(commits / seconds),
    mbPerSecond: Math.round((commits * batch.length) / seconds / MB),
  })
}

async function read(log: Log): Promise<void> {
  const batch = batchOf(64_000)
  for (let i = 0; i < 2000; i++) await log.commit({ appends: [{ topic: 't', partition: 0, batch }] })
  const reader = log.reader('t', 0, 'earliest')
  const start = performance.now()
  let bytes = 0
  while (reader.poll(1 << 20)) bytes += reader.size
  const seconds = (performance.now() - start) / 1000
  tell({ bench: 'read', batchBytes: batch.length, mbPerSecond: Math.round(bytes / seconds / MB) })
}

async function latency(log: Log, host: LogHost, durability: Durability): Promise<void> {
  const address = host.address()
  const code = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(workerData.client).then(async ({ connectLog }) => {
      const log = connectLog(workerData.address)
      const reader = log.reader('t', 0, 'latest')
      const times = []
      parentPort.postMessage('ready')
      while (times.length < workerData.rounds) {
        while (reader.poll(1 << 20)) times.push(performance.timeOrigin + performance.now())
        if (times.length < workerData.rounds) log.wait(1000)
      }
      await log.close()
      parentPort.postMessage(times)
    })`
  const client = new URL('../src/log/client.ts', import.meta.url).href
  const worker = new Worker(code, { eval: true, workerData: { address, client, rounds: ROUNDS } })
  await new Promise(resolve => worker.once('message', resolve))
  const seen = new Promise<number[]>(resolve => worker.once('message', resolve))
  const batch = batchOf(1000)
  const sent: number[] = []
  const told: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    await sleep(3)
    sent.push(performance.timeOrigin + performance.now())
    await log.commit({ appends: [{ topic: 't', partition: 0, batch }] })
    told.push(performance.timeOrigin + performance.now())
  }
  const times = await seen
  tell({
    bench: 'latency',
    durability,
    readMs: quantiles(times.map((time, i) => time - sent[i]!)),
    commitMs: quantiles(told.map((time, i) => time - sent[i]!)),
  })
}

function quantiles(values: number[]): { median: number; p99: number } {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => Number(sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(3))
  return { median: at(0.5), p99: at(0.99) }
}

function tell(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
