/**
 * The auditor in a process that is to be killed; see `crash-run.ts`. What it is sent it commits in units that carry
 * the sender's position, so a unit sent again after a crash is told from one that was lost.
 */
import { flushCompileCache } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import { buildAudit } from '../apps/audit/app.ts'
import type { AlertKind, BookState } from '../apps/audit/rules.ts'
import { embedded, run } from '../src/index.ts'
import type { Append } from '../src/log/contract.ts'
import { Outlet } from '../src/pipeline/outlet.ts'
import { Outputs } from '../src/runtime/outputs.ts'
import { AlertReader } from './audit-alerts.ts'

/** A request (purchase id 0) or a purchase. */
export type Message = readonly [order: number, purchase: number, shares: number, stock: string, client: string]

export type CrashCommand =
  /** `end`: messages sent with it and before it. */
  | { kind: 'unit'; end: number; messages: readonly Message[] }
  /** Asks for what is there, once everything sent is processed. */
  | { kind: 'finish' }

export interface CrashEnd {
  records: number
  processed: number
  deadLetters: number
  alerts: readonly (readonly [order: number, kind: AlertKind])[]
  books: readonly (readonly [order: number, state: BookState, requested: number, purchased: number])[]
}

export type CrashAnswer =
  | { kind: 'ready'; position: number; restored: number }
  | { kind: 'committed'; end: number }
  /** The first records after the start were processed. */
  | { kind: 'works' }
  | { kind: 'end'; end: CrashEnd }

const SENDER = 'bench.crash.sender'
const GROUP = 'audit.audit'

const [folder = '', workers = '1', durability = 'process'] = process.argv.slice(2)
const audit = buildAudit({
  ids: 'integer',
  deltaMs: Number(process.env.AUDIT_DELTA_MS),
  partitions: Number(process.env.AUDIT_PARTITIONS),
})
const running = await run(audit.application, {
  log: embedded(folder, { durability: durability === 'disk' ? 'disk' : 'process', maxSize: '16GB' }),
  workers: Number(workers),
  http: false,
  logLevel: 'warn',
  entry: new URL('../apps/audit/entry.ts', import.meta.url),
})
const { log } = running
const outputs = new Outputs()
const requests = new Outlet(audit.requests, outputs, 0)
const purchases = new Outlet(audit.purchases, outputs, 0)
let working = false

function tell(answer: CrashAnswer): void {
  // Nobody to tell: the one that kills went first.
  if (process.connected) process.send!(answer)
}

function counter(name: 'recordsIn' | 'restoredRecords'): number {
  return running.workers.reduce((sum, worker) => sum + worker.measures.get(name), 0)
}

function send([id, purchase, shares, stock, client]: Message): void {
  const now = Date.now()
  if (purchase === 0) requests.send(id, { id, shares, client, stock, ts: now * 1000 }, now, null)
  else purchases.send(id, { id: purchase, orderId: id, shares, stock, ts: now * 1000 }, now, null)
}

function commit(end: number, messages: readonly Message[]): void {
  for (const message of messages) send(message)
  const appends: Append[] = []
  outputs.finishInto(appends)
  const position = { group: SENDER, topic: audit.requests.name, partition: 0, offset: end, metadata: '' }
  log.submit({ appends, positions: [position] }, error => {
    if (error !== null) throw error
    tell({ kind: 'committed', end })
    if (working || counter('recordsIn') === 0) return
    working = true
    tell({ kind: 'works' })
  })
  outputs.begin()
}

function records(topic: string): number {
  let sum = 0
  for (let i = 0; i < log.topic(topic)!.partitions; i++) sum += log.partition(topic, i).end
  return sum
}

function processed(): number {
  return log.positions(GROUP).reduce((sum, position) => sum + position.offset, 0)
}

async function ended(): Promise<CrashEnd> {
  const sent = records(audit.requests.name) + records(audit.purchases.name)
  while (processed() < sent) await setTimeout(2)
  const alerts: [number, AlertKind][] = []
  new AlertReader(log, audit.alerts).read((order, kind) => alerts.push([order, kind]))
  const books: [number, BookState, number, number][] = []
  for (let partition = 0; partition < audit.requests.options.partitions; partition++) {
    const rows = await running.query({
      kind: 'scan',
      pipeline: 'audit',
      table: 'books',
      partition,
      from: null,
      to: null,
      limit: Number.MAX_SAFE_INTEGER,
    })
    for (const { key, fields } of rows ?? []) {
      const { state, requested, purchased } = fields as { state: BookState; requested: number; purchased: number }
      books.push([Number(key), state, requested, purchased])
    }
  }
  return {
    records: sent,
    processed: processed(),
    deadLetters: records(audit.application.deadLetters.name),
    alerts,
    books,
  }
}

process.on('message', async (command: CrashCommand) => {
  if (command.kind === 'unit') commit(command.end, command.messages)
  else tell({ kind: 'end', end: await ended() })
})
// A parent that is gone sends nothing more, and nobody kills this process any more.
process.on('disconnect', () => process.exit(1))
tell({
  kind: 'ready',
  position: log.position(SENDER, audit.requests.name, 0)?.offset ?? 0,
  restored: counter('restoredRecords'),
})
// A process that is killed would not keep what it compiled.
flushCompileCache()
