/** The auditor in a process of its own, told what to do by the one that measures it; see `state.ts`. */
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { buildAudit } from '../apps/audit/app.ts'
import { Workload } from '../apps/audit/workload.ts'
import { embedded, Producer } from '../src/index.ts'
import { start } from '../src/runtime/start.ts'

export type StateCommand =
  | { kind: 'requests'; orders: number }
  | { kind: 'purchases'; orders: number; rounds: number }
  | { kind: 'workload'; messages: number; seed: number }
  | { kind: 'state' }
  | { kind: 'stop' }

export interface StateAnswer {
  rows: number
  tableBytes: number
  changelogRecords: number
  changelogBytes: number
  restoredRecords: number
  restoreMs: number
  rssMb: number
  anonymousMb: number
  /** Most changelog records a row seen while the command ran. */
  worstRatio: number
}

const MESSAGES_A_UNIT = 20_000

const [folder = '', workers = '1'] = process.argv.slice(2)
const audit = buildAudit({ ids: 'integer', deltaMs: Number(process.env.AUDIT_DELTA_MS) })
const running = await start(audit.application, {
  log: embedded(folder, { durability: 'process', maxSize: '256GB' }),
  workers: Number(workers),
  memory: '4GB',
  entry: new URL('../apps/audit/entry.ts', import.meta.url),
})
await running.ready()
const producer = new Producer(running.log)
let worst = 0

function partitions(topic: string): { records: number; bytes: number; end: number } {
  let records = 0
  let bytes = 0
  let end = 0
  for (let i = 0; i < audit.requests.options.partitions; i++) {
    const info = running.log.partition(topic, i)
    records += info.end - info.start
    bytes += info.bytes
    end += info.end
  }
  return { records, bytes, end }
}

function tables(): { rows: number; bytes: number } {
  let rows = 0
  let bytes = 0
  for (const worker of running.workers) {
    for (const plan of running.plans) {
      plan.part.tables.forEach((_, i) => {
        const table = worker.measures.table(plan.firstTable + i)
        rows += table.rows
        bytes += table.bytes
      })
    }
  }
  return { rows, bytes }
}

function observe(): void {
  const { rows } = tables()
  if (rows > 0) worst = Math.max(worst, partitions('audit.audit.books.changelog').records / rows)
}

function processed(): number {
  return running.log.positions('audit.audit').reduce((sum, position) => sum + position.offset, 0)
}

/** Keeps the input a little ahead of the processing, as a live stream is. */
async function send(messages: Iterable<() => void>): Promise<void> {
  for (const message of messages) {
    message()
    if (producer.count < MESSAGES_A_UNIT) continue
    await producer.flush()
    while (
      partitions(audit.requests.name).end + partitions(audit.purchases.name).end - processed() >
      10 * MESSAGES_A_UNIT
    ) {
      await setTimeout(1)
    }
    observe()
  }
  await producer.flush()
  while (partitions(audit.requests.name).end + partitions(audit.purchases.name).end > processed()) await setTimeout(2)
  observe()
}

function* requests(orders: number): Generator<() => void> {
  const value = { id: 0, shares: 2_000_000_000, client: 'client-001', stock: 'AAA', ts: 0 }
  for (let id = 1; id <= orders; id++) {
    yield () => {
      value.id = id
      value.ts = Date.now() * 1000
      producer.send(audit.requests, id, value)
    }
  }
}

function* purchases(orders: number, rounds: number): Generator<() => void> {
  const value = { id: 0, orderId: 0, shares: 1, stock: 'AAA', ts: 0 }
  for (let round = 0; round < rounds; round++) {
    for (let id = 1; id <= orders; id++) {
      yield () => {
        value.id++
        value.orderId = id
        value.ts = Date.now() * 1000
        producer.send(audit.purchases, id, value)
      }
    }
  }
}

function* workload(messages: number, seed: number): Generator<() => void> {
  const work = new Workload(seed, messages, () => {})
  while (work.next()) {
    yield () => {
      const { orderId, shares, stock, client } = work
      const ts = Date.now() * 1000
      if (work.isRequest) producer.send(audit.requests, orderId, { id: orderId, shares, client, stock, ts })
      else producer.send(audit.purchases, orderId, { id: work.purchaseId, orderId, shares, stock, ts })
    }
  }
}

function answer(): StateAnswer {
  const { rows, bytes } = tables()
  const changelog = partitions('audit.audit.books.changelog')
  const status = readFileSync('/proc/self/status', 'utf8')
  const megabytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
  const sum = (name: 'restoredRecords' | 'restoreMs'): number =>
    running.workers.reduce((total, worker) => total + worker.measures.get(name), 0)
  return {
    rows,
    tableBytes: bytes,
    changelogRecords: changelog.records,
    changelogBytes: changelog.bytes,
    restoredRecords: sum('restoredRecords'),
    restoreMs: sum('restoreMs'),
    rssMb: megabytes('VmRSS'),
    anonymousMb: megabytes('RssAnon'),
    worstRatio: worst,
  }
}

// The one that measures is gone: so is the reason to run.
process.on('disconnect', () => process.exit(1))
process.on('message', async (command: StateCommand) => {
  worst = 0
  if (command.kind === 'requests') await send(requests(command.orders))
  if (command.kind === 'purchases') await send(purchases(command.orders, command.rounds))
  if (command.kind === 'workload') await send(workload(command.messages, command.seed))
  if (command.kind === 'stop') {
    await running.stop()
    process.exit(0)
  }
  process.send!(answer())
})
process.send!(answer())
