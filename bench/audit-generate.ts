/**
 * Fills the topics of the auditor with the workload, in a process of its own so that its memory and time do not count.
 * Arguments: folder, messages, seed, durability, partitions. Prints {"requests","purchases","bytes"} when done.
 */
import { buildAudit } from '../apps/audit/app.ts'
import { Workload } from '../apps/audit/workload.ts'
import { Producer } from '../src/index.ts'
import { openLog } from '../src/log/host.ts'

const FLUSH_BYTES = 512 * 1024

const [folder = '', messages = '', seed = '', durability = '', partitions = ''] = process.argv.slice(2)
const { requests, purchases } = buildAudit({ ids: 'integer', partitions: Number(partitions) })
const host = await openLog({ path: folder, durability: durability === 'disk' ? 'disk' : 'process', maxBytes: 256e9 })
const log = host.client()
for (const topic of [requests, purchases]) await log.createTopic(topic.name, topic.options)

const producer = new Producer(log)
const work = new Workload(Number(seed), Number(messages), () => {})
const underWay: Promise<unknown>[] = []
let requestCount = 0
let purchaseCount = 0
let now = Date.now()
const request = { id: 0, shares: 0, client: '', stock: '', ts: 0 }
const purchase = { id: 0, orderId: 0, shares: 0, stock: '', ts: 0 }
while (work.next()) {
  if (work.isRequest) {
    requestCount++
    request.id = work.orderId
    request.shares = work.shares
    request.client = work.client
    request.stock = work.stock
    request.ts = now * 1000
    producer.send(requests, work.orderId, request, { timestamp: now })
  } else {
    purchaseCount++
    purchase.id = work.purchaseId
    purchase.orderId = work.orderId
    purchase.shares = work.shares
    purchase.stock = work.stock
    purchase.ts = now * 1000
    producer.send(purchases, work.orderId, purchase, { timestamp: now })
  }
  if (((requestCount + purchaseCount) & 1023) === 0 && producer.bytes >= FLUSH_BYTES) {
    now = Date.now()
    underWay.push(producer.flush())
    if (underWay.length >= 4) await underWay.shift()
  }
}
await producer.flush()
await Promise.all(underWay)
let bytes = 0
for (const topic of [requests, purchases]) {
  for (let i = 0; i < topic.options.partitions; i++) bytes += log.partition(topic.name, i).bytes
}
await log.close()
await host.close()
process.stdout.write(`${JSON.stringify({ requests: requestCount, purchases: purchaseCount, bytes })}\n`)
