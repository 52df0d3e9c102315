/**
 * A node of the auditor on Kafka, in a process that is stopped, killed and paused; see `cluster-nodes.ts`. It logs on
 * stderr.
 *
 * Arguments: brokers, name of the node, number of standbys. AUDIT_… say what it runs.
 */
import type { BookState } from '../apps/audit/rules.ts'
import { kafka, run } from '../src/index.ts'
import { planTasks } from '../src/runtime/task-plan.ts'

export type NodeQuestion = 'look' | 'books'

export interface NodeLook {
  active: string[]
  restoring: string[]
  standby: { id: string; lag: number }[]
  /** Records that were read from changelogs for tasks that were to run. */
  restored: number
  restarts: number
  deadLetters: number
}

/** The books of the partitions that the node has. */
export interface NodeBooks {
  partitions: number[]
  books: [order: number, state: BookState, requested: number, purchased: number][]
}

export type NodeAnswer =
  | { kind: 'ready' }
  | { kind: 'look'; look: NodeLook }
  | { kind: 'books'; books: NodeBooks }
  | { kind: 'failed'; message: string }

const [brokers = '', node = '', standbys = '0'] = process.argv.slice(2)
// A parent that is gone ends nobody: also while this waits for brokers.
process.on('disconnect', () => process.exit(1))
// The worker threads import it too, and read the same environment.
const entry = new URL('../apps/audit/entry.ts', import.meta.url)
const { app } = (await import(entry.href)) as typeof import('../apps/audit/entry.ts')
const running = await run(app, {
  log: kafka(brokers, { node, standbys: Number(standbys) }),
  workers: 1,
  http: false,
  entry,
})

function look(): NodeLook {
  const seen: NodeLook = { active: [], restoring: [], standby: [], restored: 0, restarts: 0, deadLetters: 0 }
  for (const { owned, measures } of running.workers) {
    seen.active.push(...owned.active)
    seen.restoring.push(...owned.restoring, ...owned.closing)
    seen.standby.push(...owned.standby)
    seen.restored += measures.get('restoredRecords')
    seen.restarts += measures.get('restarts')
    seen.deadLetters += measures.get('deadLetters')
  }
  return seen
}

async function books(): Promise<NodeBooks> {
  const found: NodeBooks = { partitions: [], books: [] }
  const partitions = planTasks(app).filter(({ part }) => part.tables.length > 0)
  for (const { partition } of partitions) {
    const limit = Number.MAX_SAFE_INTEGER
    const query = { kind: 'scan', pipeline: 'audit', table: 'books', partition, from: null, to: null, limit } as const
    const rows = await running.queryHere(query)
    if (rows == null) continue
    found.partitions.push(partition)
    for (const { key, fields } of rows) {
      const { state, requested, purchased } = fields as { state: BookState; requested: number; purchased: number }
      found.books.push([Number(key), state, requested, purchased])
    }
  }
  return found
}

function tell(answer: NodeAnswer): void {
  // Nobody to tell: the one that kills went first.
  if (process.connected) process.send!(answer)
}

process.on('message', async (question: NodeQuestion) => {
  try {
    if (question === 'look') tell({ kind: 'look', look: look() })
    else tell({ kind: 'books', books: await books() })
  } catch (error) {
    tell({ kind: 'failed', message: String(error) })
  }
})
tell({ kind: 'ready' })
