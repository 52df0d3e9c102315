/**
 * A node of the application with a disk table, in a process that is killed and started again. Arguments: brokers, name of
 * the node, its folder, number of standbys and of workers. DISK_… say what it runs.
 */
import { kafka, run } from '../../src/index.ts'

export interface DiskLook {
  active: string[]
  standby: { id: string; lag: number }[]
  /** Records read from changelogs for tasks that were to run. */
  restored: number
  restarts: number
  deadLetters: number
  /** Warnings of the process. */
  warnings: string[]
  rows: { key: string; count: number; last: string; note?: string }[]
}

const [brokers = '', node = '', state = '', standbys = '0', workers = '2'] = process.argv.slice(2)
// A parent that is gone ends nobody.
process.on('disconnect', () => process.exit(1))
const entry = new URL('./disk-application.ts', import.meta.url)
const { app, PARTITIONS } = await import('./disk-application.ts')
const warnings: string[] = []
const running = await run(app, {
  log: kafka(brokers, { node, state, standbys: Number(standbys) }),
  workers: Number(workers),
  http: false,
  entry,
  report: (level, message) => {
    if (level !== 'info') warnings.push(message)
  },
})

async function look(): Promise<DiskLook> {
  const seen: DiskLook = { active: [], standby: [], restored: 0, restarts: 0, deadLetters: 0, warnings, rows: [] }
  for (const { owned, measures } of running.workers) {
    seen.active.push(...owned.active)
    seen.standby.push(...owned.standby)
    seen.restored += measures.get('restoredRecords')
    seen.restarts += measures.get('restarts')
    seen.deadLetters += measures.get('deadLetters')
  }
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const query = { kind: 'scan', pipeline: 'count', table: 'counts', partition, from: null, to: null } as const
    for (const { key, fields } of (await running.query({ ...query, limit: 10_000 })) ?? []) {
      seen.rows.push({ key: String(key), ...(fields as { count: number; last: string; note?: string }) })
    }
  }
  return seen
}

process.on('message', async (question: 'look' | 'stop') => {
  if (question === 'stop') {
    await running.stop()
    process.exit(0)
  }
  // A task may just be on its way to another worker.
  const answer = await look().catch((error: unknown) => String(error))
  if (process.connected) process.send!(answer)
})
process.send!('ready')
