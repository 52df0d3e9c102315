/**
 * The auditor under simulation: a seeded stream of orders with garbage in between, and what must come of it whatever
 * crashes: each expected alert once, no other, each bad record in the dead letters once, no book left behind.
 */
import type { AnyTopic } from 'aldebaran'
import {
  encodeRecord,
  type Scenario,
  type SeededRandom,
  type SimulatedRecord,
  type SimulationEnd,
  type SimulationSpec,
} from 'aldebaran/testing'
import { type Audit, buildAudit } from './app.ts'
import { TradeSource } from './source.ts'

/** Long against all clock jumps and downtimes of a run, so that what must come is known. */
const DELTA_MS = 600_000
const MESSAGES = 250
const GARBAGE_SHARE = 0.02
const REPEAT_SHARE = 0.05

const audit = buildAudit({ ids: 'integer', deltaMs: DELTA_MS, partitions: 3 })

export const simulation: SimulationSpec = {
  application: audit.application,
  scenario: random => auditScenario(audit, random),
}

function auditScenario(audit: Audit, random: SeededRandom): Scenario {
  const records: SimulatedRecord[] = []
  const expected: string[] = []
  const garbage: string[] = []
  const source = new TradeSource(
    {
      seed: random.below(2 ** 31),
      messages: MESSAGES,
      overbought: 0.2,
      unrequested: 0.1,
      reordered: 0.2,
      openOrders: 20,
    },
    (order, kind) => expected.push(`${order} ${kind}`),
  )
  for (let ts = 1; source.next(); ts++) {
    const { orderId, purchaseId, shares, stock, client } = source
    const record = source.isRequest
      ? encodeRecord(audit.requests, orderId, { id: orderId, shares, client, stock, ts })
      : encodeRecord(audit.purchases, orderId, { id: purchaseId, orderId, shares, stock, ts })
    records.push(record)
    // A request told twice changes nothing.
    if (source.isRequest && random.chance(REPEAT_SHARE)) records.push(record)
    if (random.chance(GARBAGE_SHARE)) {
      const bad = spoil(record, random, audit)
      records.push(bad)
      garbage.push(`${bad.topic} ${bad.value?.toString('hex') ?? ''}`)
    }
  }
  source.finish()
  return {
    records,
    settleMs: 4 * DELTA_MS,
    check: end => [
      ...difference('alert', expected, alertsOf(end, audit.alerts)),
      ...difference(
        'dead letter',
        garbage,
        end.deadLetters().map(letter => `${letter.topic} ${letter.value?.toString('hex') ?? ''}`),
      ),
      ...end.rows('audit', 'books').map(row => `book ${row.key} was left behind`),
    ],
  }
}

/** A record that cannot be processed: cut short, without a value, or with a key that is none. */
function spoil(record: SimulatedRecord, random: SeededRandom, audit: Audit): SimulatedRecord {
  switch (random.below(3)) {
    case 0:
      return { ...record, value: record.value!.subarray(0, random.below(record.value!.length)) }
    case 1:
      return { ...record, value: null }
    default:
      return { ...record, key: Buffer.from('key'), topic: audit.requests.name, value: record.value }
  }
}

function alertsOf(end: SimulationEnd, alerts: AnyTopic): string[] {
  return end.records(alerts).map(({ value }) => {
    const { orderId, kind } = value as { orderId: number; kind: string }
    return `${orderId} ${kind}`
  })
}

/** What is missing and what is too many, of two multisets. */
function difference(what: string, expected: readonly string[], seen: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const one of expected) counts.set(one, (counts.get(one) ?? 0) + 1)
  for (const one of seen) counts.set(one, (counts.get(one) ?? 0) - 1)
  return [...counts].flatMap(([one, count]) =>
    count === 0 ? [] : [count > 0 ? `${what} missing: ${one}` : `${what} not expected or doubled: ${one}`],
  )
}
