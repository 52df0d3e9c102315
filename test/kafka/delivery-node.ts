/**
 * A node of the application that delivers, in a process that is killed and started again. Arguments: brokers, name of the
 * node, its folder. DELIVERY_… say what it runs.
 */
import { kafka, run } from '../../src/index.ts'

const [brokers = '', node = '', state = ''] = process.argv.slice(2)
// A parent that is gone ends nobody.
process.on('disconnect', () => process.exit(1))
const { app, PARTITIONS } = await import('./delivery-application.ts')
const running = await run(app, {
  log: kafka(brokers, { node, state }),
  workers: 1,
  http: false,
  entry: new URL('./delivery-application.ts', import.meta.url),
  report: () => {},
})

/** The kinds of all rows of events that there are, by the ids of their events. */
async function rows(): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const query = { kind: 'scan', pipeline: 'post', table: 'due', partition, from: null, to: null } as const
    for (const { key, fields } of (await running.query({ ...query, limit: 10_000 })) ?? []) {
      found[String(fields.id)] = String(key).slice(0, 1)
    }
  }
  return found
}

process.on('message', async (question: 'rows' | 'stop') => {
  if (question === 'stop') {
    await running.stop()
    process.exit(0)
  }
  // A task may just be on its way to another worker.
  const answer = await rows().catch((error: unknown) => String(error))
  if (process.connected) process.send!(answer)
})
process.send!('ready')
