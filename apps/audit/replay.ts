import { setTimeout } from 'node:timers/promises'
import { AldebaranError, type AnyTopic, type Log, Producer } from 'aldebaran'
import type { AuditMessage } from './json.ts'
import { replayTrades, sampleTrades } from './trades.ts'

export interface ReplaySettings {
  /** How many times faster than they happened. Default 60. */
  speed?: number
  /** Trades to play; default the sample that comes with the application. */
  file?: string | URL
  signal?: AbortSignal
}

/** Messages at most between two flushes. */
const FLUSH_MESSAGES = 10_000
/** Between two tries while the log takes nothing, ms. */
const RETRY_MS = 1000

/** Writes real trades as orders to the topics of the auditor, over and over, at the speed asked for. */
export async function replayInto(
  log: Log,
  topics: { requests: AnyTopic; purchases: AnyTopic },
  settings: ReplaySettings = {},
): Promise<void> {
  const speed = settings.speed ?? 60
  const producer = new Producer(log)
  const begun = performance.now()
  // Orders of an earlier run may still be in their books, so their ids are not used again.
  const firstId = Date.now() * 1000
  for await (const messages of replayTrades(settings.file ?? sampleTrades(), { loops: Number.POSITIVE_INFINITY })) {
    for (const { at, message } of messages) {
      const wait = at / speed - (performance.now() - begun)
      if (wait > 1 || producer.count >= FLUSH_MESSAGES) {
        if (producer.count > 0) await flushed(producer, settings.signal)
        if (wait > 1) await setTimeout(Math.min(wait, 60_000), undefined, { signal: settings.signal }).catch(() => {})
      }
      if (settings.signal?.aborted === true) return
      sendMessage(producer, topics, message, firstId)
    }
  }
}

/** What a full disk refuses is given up: the sample comes again. */
async function flushed(producer: Producer, signal: AbortSignal | undefined): Promise<void> {
  try {
    await producer.flush()
  } catch (error) {
    if (!(error instanceof AldebaranError) || error.fate !== 'retry') throw error
    await setTimeout(RETRY_MS, undefined, { signal }).catch(() => {})
  }
}

/** Puts one message into the topic of its kind, with ids as that spells them, counted from `firstId`. */
function sendMessage(
  producer: Producer,
  topics: { requests: AnyTopic; purchases: AnyTopic },
  message: AuditMessage<number>,
  firstId: number,
): void {
  const { shares, client, stock } = message
  const text = topics.requests.key.format === 'text'
  const spelled = (id: number): number | string => (text ? String(firstId + id) : firstId + id)
  const ts = Date.now() * 1000
  const id = spelled(message.id)
  if (message.kind === 'request') {
    producer.send(topics.requests, id, { id, shares, client, stock, ts })
    return
  }
  const orderId = spelled(message.orderId)
  producer.send(topics.purchases, orderId, { id, orderId, shares, stock, ts })
}
