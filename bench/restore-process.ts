/** The auditor on Kafka in a process of its own, told what to do by the one that measures it; see `restore.ts`. */
import { setTimeout } from 'node:timers/promises'
import { auditFromEnvironment } from '../apps/audit/entry.ts'
import { kafka, Producer } from '../src/index.ts'
import { changelogOf } from '../src/runtime/application.ts'
import { start } from '../src/runtime/start.ts'

/** `from` to `to`: orders, counted from 1. */
export type RestoreCommand = { kind: 'requests' | 'purchases'; from: number; to: number } | { kind: 'stop' }

export interface RestoreAnswer {
  rows: number
  /** Of the changelog of the books, its offsets: records, and markers. */
  changelog: { start: number; end: number }[]
  changelogBytes: number
  restoredRecords: number
  /** From the assignment to the last task that runs. */
  restoreMs: number
  /** Of that, how long the workers were at it. */
  busyMs: number
}

const MESSAGES_A_UNIT = 20_000

const [bootstrap = '', workers = '1', state = ''] = process.argv.slice(2)
const audit = await auditFromEnvironment(process.env)
const { name } = audit.application
const changelog = changelogOf(name, 'audit', 'books')
let restoreMs = 0
const begun = new Set<string>()
const running = await start(audit.application, {
  log: kafka(bootstrap, state === '' ? {} : { state }),
  workers: Number(workers),
  memory: '4GB',
  entry: new URL('../apps/audit/entry.ts', import.meta.url),
  report: (level, message, details) => {
    if (message === 'tasks are running') {
      restoreMs = Math.max(restoreMs, Number(details.ms))
      for (const task of details.tasks as string[]) begun.add(task)
    }
    if (level !== 'info') process.stderr.write(`${level}: ${message} ${JSON.stringify(details)}\n`)
  },
})
await running.ready()
// One that was killed has its tasks until the others notice.
while (begun.size < running.plans.length) await setTimeout(5)
const producer = new Producer(running.log)

function partitionsOf(topic: string): { start: number; end: number; bytes: number }[] {
  return Array.from({ length: audit.requests.options.partitions }, (_, i) => running.log.partition(topic, i))
}

function sum(name: 'restoredRecords' | 'restoreMs' | 'recordsIn'): number {
  return running.workers.reduce((total, worker) => total + worker.measures.get(name), 0)
}

function rows(): number {
  let count = 0
  for (const worker of running.workers) {
    for (const { part, firstTable } of running.plans) {
      part.tables.forEach((_, i) => {
        count += worker.measures.table(firstTable + i).rows
      })
    }
  }
  return count
}

async function send(kind: 'requests' | 'purchases', from: number, to: number): Promise<void> {
  const before = sum('recordsIn')
  for (let id = from; id <= to; id++) {
    const ts = Date.now() * 1000
    const common = { id, shares: 1_000_000, stock: 'AAA', ts }
    if (kind === 'requests') producer.send(audit.requests, id, { ...common, client: 'client-001' })
    else producer.send(audit.purchases, id, { ...common, shares: 1, orderId: id })
    if (producer.count >= MESSAGES_A_UNIT) await producer.flush()
  }
  await producer.flush()
  while (sum('recordsIn') - before < to - from + 1) await setTimeout(5)
  // What was read is committed when nothing is written any more.
  for (let end = -1; end !== endOf(); ) {
    end = endOf()
    await setTimeout(300)
  }
}

function endOf(): number {
  return partitionsOf(changelog).reduce((total, { end }) => total + end, 0)
}

function answer(): RestoreAnswer {
  const partitions = partitionsOf(changelog)
  return {
    rows: rows(),
    changelog: partitions.map(({ start, end }) => ({ start, end })),
    changelogBytes: partitions.reduce((total, { bytes }) => total + bytes, 0),
    restoredRecords: sum('restoredRecords'),
    restoreMs,
    busyMs: sum('restoreMs'),
  }
}

// The one that measures is gone: so is the reason to run.
process.on('disconnect', () => process.exit(1))
process.on('message', async (command: RestoreCommand) => {
  if (command.kind === 'stop') {
    await running.stop()
    process.exit(0)
  }
  await send(command.kind, command.from, command.to)
  process.send!(answer())
})
process.send!(answer())
