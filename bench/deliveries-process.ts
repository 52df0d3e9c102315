/**
 * Deliveries in a process that is to be killed; see `deliveries-crash.ts`. It publishes numbered events: as many as the log
 * has come before, for a unit is there as a whole or not at all.
 */
import { setTimeout } from 'node:timers/promises'
import { partsOfKey } from '../src/delivery/due-event.ts'
import { embedded, Producer, run } from '../src/index.ts'
import type { DeliveryMeasure } from '../src/runtime/measures.ts'
import { MORTAL_PARTITIONS, mortalApp, mortalEvents } from './deliveries-app.ts'

export type MortalAsk = 'finish'

export type MortalTold =
  | { kind: 'ready' }
  /** Something was delivered since the start. */
  | { kind: 'works' }
  | { kind: 'end'; events: number; deadLetters: number; inDoubt: string[] }

const UNIT = 40
/** Published, and not delivered yet, by each of the deliveries, at most. */
const AHEAD = 400
const DELIVERIES = ['least', 'most']

const running = await run(mortalApp, {
  log: embedded(process.argv[2]!, { durability: 'process', maxSize: '4GB' }),
  workers: 2,
  http: false,
  logLevel: 'warn',
  entry: new URL('./deliveries-app.ts', import.meta.url),
})
const { log } = running
const producer = new Producer(log)
let isFinishing = false

function tell(told: MortalTold): void {
  if (process.connected) process.send!(told)
}

function ends(topic: string, partitions: number): number {
  return Array.from({ length: partitions }, (_, i) => log.partition(topic, i).end).reduce((a, b) => a + b, 0)
}

function sum(...names: DeliveryMeasure[]): number {
  let all = 0
  for (const { measures } of running.workers) {
    for (let i = 0; i < DELIVERIES.length * MORTAL_PARTITIONS; i++) {
      for (const name of names) all += measures.delivery(i, name)
    }
  }
  return all
}

function events(): number {
  return ends(mortalEvents.name, MORTAL_PARTITIONS)
}

function isTakenIn(): boolean {
  const positions = DELIVERIES.flatMap(name => log.positions(`${mortalApp.name}.${name}`))
  const taken = positions
    .filter(({ topic }) => topic === mortalEvents.name)
    .reduce((all, { offset }) => all + offset, 0)
  return taken === events() * DELIVERIES.length
}

async function publish(): Promise<void> {
  let works = false
  const before = sum('delivered', 'inDoubt', 'dead')
  const begun = events()
  for (let number = begun; !isFinishing; number += UNIT) {
    while (!isFinishing && (number - begun) * 2 - sum('delivered', 'inDoubt', 'dead') + before > AHEAD)
      await setTimeout(1)
    for (let n = number; n < number + UNIT; n++)
      producer.sendBytes(mortalEvents, Buffer.from(`k${n % 10}`), Buffer.from(String(n)))
    await producer.flush()
    if (works || sum('delivered') === 0) continue
    works = true
    tell({ kind: 'works' })
  }
}

/** Events that have not ended have a row by the time the position behind them is committed. */
async function waiting(delivery: string): Promise<{ waits: number; inDoubt: string[] }> {
  const inDoubt: string[] = []
  let waits = 0
  for (let partition = 0; partition < MORTAL_PARTITIONS; partition++) {
    const all = { table: 'due', partition, from: null, to: null, limit: 1e9 } as const
    for (const { key, fields } of (await running.query({ kind: 'scan', pipeline: delivery, ...all })) ?? []) {
      if (partsOfKey(String(key)).kind === 'd') inDoubt.push(Buffer.from(fields.value as Uint8Array).toString())
      else waits++
    }
  }
  return { waits, inDoubt }
}

async function finish(): Promise<void> {
  isFinishing = true
  await publishing
  for (; ; await setTimeout(10)) {
    if (!isTakenIn()) continue
    const [least, most] = [await waiting('least'), await waiting('most')]
    if (least.waits + most.waits > 0) continue
    const { inDoubt } = most
    tell({ kind: 'end', events: events(), deadLetters: ends(mortalApp.deadLetters.name, 1), inDoubt })
    return
  }
}

process.on('message', (ask: MortalAsk) => {
  if (ask === 'finish') void finish()
})
process.on('disconnect', () => process.exit(1))
tell({ kind: 'ready' })
const publishing = publish()
