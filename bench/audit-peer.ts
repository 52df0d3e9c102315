/**
 * The auditor on Kafka, for a harness that measures programs side by side.
 *
 * It is told in its environment: AUDIT_BOOTSTRAP, AUDIT_REQUESTS, AUDIT_PURCHASES, AUDIT_ALERTS (topics, which exist),
 * AUDIT_RUN (a fresh name for groups, transactional ids and topics), AUDIT_DELTA_MS. It prints `ready`, then
 * `progress COUNT FIRST_US LAST_US` while the count of processed messages grows, and ends with SIGTERM.
 *
 * Options: --guarantee exactly-once|at-least-once, --workers N, --standbys N, --state FOLDER
 */
import { parseArgs } from 'node:util'
import { kafka, run } from '../src/index.ts'

const PROGRESS_MS = 10

const { values } = parseArgs({
  options: {
    guarantee: { type: 'string', default: 'exactly-once' },
    workers: { type: 'string', default: '1' },
    standbys: { type: 'string', default: '0' },
    state: { type: 'string' },
  },
})
const { AUDIT_BOOTSTRAP, AUDIT_RUN } = process.env
if (AUDIT_BOOTSTRAP === undefined || AUDIT_RUN === undefined) {
  process.stderr.write('audit-peer: AUDIT_BOOTSTRAP and AUDIT_RUN say where to work\n')
  process.exit(2)
}
// For the worker threads too: they read the same environment.
process.env.AUDIT_IDS = 'integer'
process.env.AUDIT_NAME = AUDIT_RUN
process.env.AUDIT_TRADES = `${AUDIT_RUN}.trades`

const { app } = await import('../apps/audit/entry.ts')
const guarantee = values.guarantee === 'at-least-once' ? 'at-least-once' : 'exactly-once'
const running = await run(app, {
  log: kafka(AUDIT_BOOTSTRAP, {
    guarantee,
    standbys: Number(values.standbys),
    ...(values.state === undefined ? {} : { state: values.state }),
  }),
  workers: Number(values.workers),
  http: false,
  logLevel: 'warn',
  entry: new URL('../apps/audit/entry.ts', import.meta.url),
})
// Whoever ran this is gone.
process.stdout.on('error', () => process.exit(1))
process.stdout.write('ready\n')

let told = 0
let first = 0
setInterval(() => {
  const count = running.workers.reduce((sum, worker) => sum + worker.measures.get('recordsIn'), 0)
  if (count === told) return
  const now = Math.round((performance.timeOrigin + performance.now()) * 1000)
  if (told === 0) first = now
  told = count
  process.stdout.write(`progress ${count} ${first} ${now}\n`)
}, PROGRESS_MS)
