/**
 * Receives what `deliveries.ts` sends: answers each POST with 200 after DELAY ms, counts, and times what says when it was
 * published. `deliveries-receiver.ts DELAY REFUSED`: of the paths `least` and `most` it refuses a share of the events, and
 * keeps by number how often it took each.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'

export type ReceiverAsk = 'reset' | 'stats'

export interface ReceiverStats {
  count: number
  /** From published to received, ms, ascending. */
  latencies: number[]
  cpuSeconds: number
  /** By path: how often each number was taken. */
  taken: Record<string, Record<string, number>>
}

export interface ReceiverReady {
  port: number
}

const [delay = 0, refused = 0] = process.argv.slice(2).map(Number)
const LEDGERS = ['least', 'most']
let stats = fresh()

function fresh(): ReceiverStats {
  return { count: 0, latencies: [], cpuSeconds: cpu(), taken: {} }
}

function cpu(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  const arrived = performance.timeOrigin + performance.now()
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', async () => {
    const path = request.url!.slice(1)
    stats.count++
    if (path === 'lat') {
      const { t } = JSON.parse(Buffer.concat(chunks).toString()) as { t: number }
      stats.latencies.push(arrived - t)
    }
    if (LEDGERS.includes(path)) {
      const number = Buffer.concat(chunks).toString()
      if (Math.random() < refused) {
        response.writeHead(503).end()
        return
      }
      stats.taken[path] ??= {}
      const ledger = stats.taken[path]
      ledger[number] = (ledger[number] ?? 0) + 1
      await setTimeout(Math.random() * delay)
    } else if (delay > 0) await setTimeout(delay)
    response.writeHead(200).end()
  })
  // Whoever sent it was killed.
  request.on('error', () => {})
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  process.send!({ port: (server.address() as AddressInfo).port } satisfies ReceiverReady)
})
process.on('message', (ask: ReceiverAsk) => {
  if (ask === 'reset') stats = fresh()
  const { cpuSeconds, latencies } = stats
  latencies.sort((a, b) => a - b)
  process.send!({ ...stats, cpuSeconds: cpu() - cpuSeconds } satisfies ReceiverStats)
})
process.on('disconnect', () => process.exit(0))
