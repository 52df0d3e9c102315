/**
 * Deliveries under simulation, in both guarantees: a stream of events with lanes, priorities, delays and repeats,
 * operators who pause, limit, purge and decide, receivers with every fault. The rules are in `delivery-rules.ts`.
 */

import { DeliveryError } from '../../src/delivery/delivery-error.ts'
import { orderOf, rowKey } from '../../src/delivery/due-event.ts'
import { application, type DeliverySettings, delivery, json, text, topic } from '../../src/index.ts'
import { partitionOf } from '../../src/record/partitioner.ts'
import {
  deliveryCommand,
  encodeRecord,
  type Receiver,
  type Scenario,
  type SeededRandom,
  type SimulatedRecord,
  type SimulationEnd,
  type SimulationSpec,
  unreliable,
} from '../../src/testing/index.ts'
import { checkDelivery, type Expected } from './delivery-rules.ts'

interface Event {
  n: number
  to: string[]
  lane: string
  priority: number
  delay: number
  id: string
  /** Its route throws. */
  isBad: boolean
}

const events = topic('events', { key: text(), value: json<Event>(), partitions: 2 })

const CONCURRENCY = 3
/** Operators see to the first two; the third has to come back by itself; the last is gone until the faults are over. */
const SEEN_TO = ['a', 'b']
const GONE = 'gone'
const DESTINATIONS = [...SEEN_TO, 'c', GONE]
const DEFAULT_PRIORITY = 4
const EVENTS = 70
/** Of a hundred records, so many are commands. */
const COMMANDS = 15
const RESUMES = 5
const SETTLE_MS = 60_000

const common = {
  from: events,
  send: () => {
    throw new Error('nothing goes outside')
  },
  route: (event: Event) => {
    if (event.isBad) throw new Error('it goes nowhere')
    return event.to.map(destination => ({
      destination,
      tenant: SEEN_TO.includes(destination) ? 'first' : 'second',
      order: event.lane,
      priority: event.priority,
      delay: event.delay,
      ...(event.id === '' ? {} : { id: event.id }),
    }))
  },
  timeout: '30ms',
  limits: { total: { concurrency: 6 }, destination: { concurrency: CONCURRENCY } },
  breaker: { consecutiveFailures: 4, openFor: '10ms', longest: '50ms', probes: 2 },
  retry: { first: '3ms', longest: '30ms', attempts: Number.POSITIVE_INFINITY },
} satisfies DeliverySettings<typeof events>

const calls = delivery('calls', { ...common, memory: '3kB' })
const once = delivery('once', { ...common, memory: '3kB', guarantee: 'at-most-once' })
const few = delivery('few', {
  ...common,
  memory: '10kB',
  deduplicate: '10d',
  retry: { schedule: ['2ms', '5ms'], jitter: 0 },
  limits: { destination: { rate: { rate: '500/s', burst: 3 }, concurrency: CONCURRENCY }, tenant: { concurrency: 4 } },
})

const app = application('deliveries', { deliveries: [calls, once, few] })
const NAMES = ['calls', 'once', 'few'] as const

/** As `unreliable`, and now and then it refuses for good, or is gone. */
const harsh: Receiver = (value, attempt, world) => {
  const { random, calm } = world
  if (!calm && attempt.destination === GONE) throw new DeliveryError('disable', 'gone')
  if (!calm && random.chance(0.05)) throw new DeliveryError('reject', 'no such thing')
  if (!calm && SEEN_TO.includes(attempt.destination) && random.chance(0.01)) throw new DeliveryError('disable', 'gone')
  return unreliable(value, attempt, world)
}

export const simulation: SimulationSpec = {
  application: app,
  deliveries: { calls: harsh, once: harsh, few: harsh },
  scenario,
}

function scenario(random: SeededRandom): Scenario {
  const records: SimulatedRecord[] = []
  const expected: Expected[] = []
  const seen = new Set<string>()
  const ends = [0, 0]
  let bad = 0
  /** By delivery: what operators may have sent to the dead letters, and had sent again. */
  const decisions = Object.fromEntries(
    NAMES.map(name => [name, { purged: new Set<string>(), dropped: new Set<string>(), sent: new Set<string>() }]),
  )
  for (let n = 0; n < EVENTS; ) {
    if (expected.length > 0 && random.below(100) < COMMANDS) {
      const name = random.pick(NAMES)
      records.push(...command(name, decisions[name]!, random, expected))
      continue
    }
    const key = `k${random.below(6)}`
    const lane = random.chance(0.5) ? key : ''
    const event: Event = {
      n: n++,
      to: DESTINATIONS.filter(name => random.chance(name === GONE ? 0.1 : 0.6)),
      lane,
      priority: lane === '' && random.chance(0.2) ? random.below(10) : DEFAULT_PRIORITY,
      delay: random.chance(0.1) ? 1 + random.below(30) : 0,
      id: random.chance(0.5) ? `id${random.below(20)}` : '',
      isBad: random.chance(0.03),
    }
    const record = encodeRecord(events, key, event)
    const partition = partitionOf(record.key!, 0, record.key!.length, events.options.partitions)
    const offset = ends[partition]!++
    records.push(record)
    if (event.isBad) {
      bad++
      continue
    }
    for (const destination of event.to) {
      const id = event.id === '' ? `events/${partition}/${offset}` : event.id
      const same = `${partition} ${destination} ${id}`
      expected.push({ ...event, id, destination, partition, offset, repeated: event.id !== '' && seen.has(same) })
      seen.add(same)
    }
  }
  return {
    records,
    // A task that was told that a destination is gone may still tell the other one, who has heard of the first resume.
    afterFaults: Array.from({ length: RESUMES }, () => resumeAll()).flat(),
    settleMs: SETTLE_MS,
    check: end => check(end, expected, bad, decisions),
  }
}

function resumeAll(): SimulatedRecord[] {
  return NAMES.flatMap(name =>
    [...SEEN_TO, GONE].flatMap(destination => deliveryCommand(app, name, { command: 'resume', destination })),
  )
}

type Decisions = { purged: Set<string>; dropped: Set<string>; sent: Set<string> }

function command(
  name: string,
  decisions: Decisions,
  random: SeededRandom,
  expected: readonly Expected[],
): SimulatedRecord[] {
  const destination = random.pick(SEEN_TO)
  const tell = (told: Parameters<typeof deliveryCommand>[2]) => deliveryCommand(app, name, told)
  const kind = random.below(10)
  if (kind < 2) return tell({ command: 'pause', destination })
  if (kind < 5) return tell({ command: 'resume', destination })
  if (kind < 6) return tell({ command: 'limit', destination, rate: '400/s', concurrency: 1 + random.below(2) })
  if (kind === 6 && random.chance(0.2)) {
    decisions.purged.add(destination)
    return tell({ command: 'purge', destination })
  }
  const event = expected.at(-1 - random.below(Math.min(8, expected.length)))!
  const order = orderOf(event.priority, event.offset)
  const row = rowKey(random.chance(0.7) ? 'd' : 'r', event.destination, order)
  const what = random.chance(0.5) ? 'send' : 'drop'
  // The order of two partitions may be the same: both are meant.
  decisions[what === 'send' ? 'sent' : 'dropped'].add(`${event.destination} ${order}`)
  return tell({ command: what, event: row })
}

function check(
  end: SimulationEnd,
  expected: readonly Expected[],
  bad: number,
  decisions: Record<string, Decisions>,
): string[] {
  const letters = end.records(app.deadLetters)
  return NAMES.flatMap(name => {
    const { purged, dropped, sent } = decisions[name]!
    const orderOfEvent = ({ destination, priority, offset }: Expected) => `${destination} ${orderOf(priority, offset)}`
    return checkDelivery({
      name,
      atMostOnce: name === 'once',
      attempts: name === 'few' ? 3 : Number.POSITIVE_INFINITY,
      concurrency: CONCURRENCY,
      expected: expected.filter(event => name !== 'few' || !event.repeated),
      tries: end.sent(name),
      letters,
      bad,
      due: end.rows(name, 'due'),
      lastLoss: end.lastLossAt,
      destinations: end.rows(name, 'destinations'),
      mayDrop: event => purged.has(event.destination) || dropped.has(orderOfEvent(event)),
      maySend: event => sent.has(orderOfEvent(event)),
    })
  })
}
