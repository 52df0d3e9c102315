/** A thread that writes the workload of the auditor at a fixed rate: each millisecond its share. */
import { parentPort, workerData } from 'node:worker_threads'
import { buildAudit } from '../apps/audit/app.ts'
import { Workload } from '../apps/audit/workload.ts'
import { Producer } from '../src/index.ts'
import { connectLog, type LogAddress } from '../src/log/client.ts'

export interface PacerData {
  address: LogAddress
  rate: number
  seconds: number
  seed: number
  partitions: number
}

export interface PacerResult {
  sent: number
  /** The longest that a millisecond's share was late, ms. */
  behindMs: number
  expected: [order: number, kind: 'OVERBOUGHT' | 'NO_REQUEST'][]
}

const { address, rate, seconds, seed, partitions } = workerData as PacerData
const { requests, purchases } = buildAudit({ ids: 'integer', partitions })
const log = connectLog(address)
const producer = new Producer(log)
const expected: PacerResult['expected'] = []
const total = rate * seconds
const work = new Workload(seed, total, (order, kind) => expected.push([order, kind]))
const sleeper = new Int32Array(new SharedArrayBuffer(4))
const begun = performance.now()
let sent = 0
let behindMs = 0
let failure: unknown = null
for (let ms = 1; sent < total; ms++) {
  const due = Math.min(total, Math.floor((rate * ms) / 1000))
  const wait = begun + ms - performance.now()
  if (wait > 0) Atomics.wait(sleeper, 0, 0, wait)
  behindMs = Math.max(behindMs, performance.now() - begun - ms)
  const ts = Math.round((performance.timeOrigin + performance.now()) * 1000)
  const options = { timestamp: Math.floor(ts / 1000) }
  for (; sent < due && work.next(); sent++) {
    const { orderId, shares, stock } = work
    if (work.isRequest)
      producer.send(requests, orderId, { id: orderId, shares, client: work.client, stock, ts }, options)
    else producer.send(purchases, orderId, { id: work.purchaseId, orderId, shares, stock, ts }, options)
  }
  producer.flush().catch(error => {
    failure ??= error
  })
  log.pump()
  // Answers are promises: they need a turn of the event loop now and then.
  if (ms % 64 === 0) await new Promise(resolve => setImmediate(resolve))
  if (failure !== null) throw failure
}
while (work.next()) sent++
await producer.flush()
await log.close()
parentPort!.postMessage({ sent, behindMs, expected } satisfies PacerResult)
parentPort!.close()
