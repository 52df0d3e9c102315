/**
 * Writes trades at a fixed rate to the topics of the auditor on Kafka, until it is told to stop. In a process of its own,
 * so that nothing else holds it up. It waits for brokers for as long as they are away, and catches up then.
 *
 * Arguments: brokers, rate, seed, partitions, share of the orders that are overbought.
 */
import { setTimeout } from 'node:timers/promises'
import { buildAudit } from '../apps/audit/app.ts'
import { TradeSource } from '../apps/audit/source.ts'
import { Producer } from '../src/index.ts'
import { openKafka } from '../src/log/kafka/host.ts'
import { endpointsOf } from './cluster-brokers.ts'

export type SenderTold = { kind: 'sent'; sent: number; behindMs: number } | { kind: 'ended'; sent: number; ms: number }

const TURN_MS = 4
/** More units are not under way, however far it is behind. */
const MOST_UNITS = 8
/** Of one unit, so that catching up does not come in huge pieces. */
const MOST_MESSAGES = 4000
const TELL_EACH_MS = 100
const FOR_EVER_MS = 3_600_000

const [brokers = '', rate = '0', seed = '1', partitions = '4', overbought = '0'] = process.argv.slice(2)
const { requests, purchases } = buildAudit({ ids: 'integer', partitions: Number(partitions) })
const host = await openKafka({
  bootstrap: endpointsOf(brokers),
  node: 'sender',
  // Batches go to all partitions without a transaction; sequence numbers keep them from being written twice.
  guarantee: 'at-least-once',
  giveUpMs: FOR_EVER_MS,
})
const log = host.client()
const producer = new Producer(log)
const source = new TradeSource({ rate: Number(rate), seed: Number(seed), overbought: Number(overbought) }, () => {})
let stopping = false
process.on('message', () => {
  stopping = true
})
process.on('disconnect', () => process.exit(1))

const perMs = Number(rate) / 1000
const begun = performance.now()
let underWay = 0
let sent = 0
let behindMs = 0
let told = 0
while (!stopping) {
  const elapsed = performance.now() - begun
  const due = Math.floor(elapsed * perMs)
  behindMs = Math.max(behindMs, (due - sent) / perMs)
  if (elapsed - told >= TELL_EACH_MS) {
    process.send!({ kind: 'sent', sent, behindMs } satisfies SenderTold)
    told = elapsed
    behindMs = 0
  }
  if (underWay < MOST_UNITS && sent < due) {
    write(Math.min(due - sent, MOST_MESSAGES))
    underWay++
    producer.flush().then(
      () => {
        underWay--
      },
      error => {
        process.stderr.write(`the sender: ${error.stack}\n`)
        process.exit(1)
      },
    )
  }
  await setTimeout(TURN_MS)
}
while (underWay > 0) await setTimeout(TURN_MS)
process.send!({ kind: 'ended', sent, ms: performance.now() - begun } satisfies SenderTold)
await log.close()
await host.close()
process.disconnect?.()

function write(messages: number): void {
  const ts = Math.round((performance.timeOrigin + performance.now()) * 1000)
  const options = { timestamp: Math.floor(ts / 1000) }
  for (let left = messages; left > 0 && source.next(); left--, sent++) {
    const { orderId, purchaseId, shares, stock, client } = source
    if (source.isRequest) producer.send(requests, orderId, { id: orderId, shares, client, stock, ts }, options)
    else producer.send(purchases, orderId, { id: purchaseId, orderId, shares, stock, ts }, options)
  }
}
