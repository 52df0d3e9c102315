/**
 * A node of the application whose events have stories, in a process of its own. Arguments: brokers, name of the node, its
 * folder. Tells its parent where its API listens.
 */
import { kafka, run } from '../../src/index.ts'
import { app } from './story-application.ts'

const [brokers = '', node = '', state = ''] = process.argv.slice(2)
// A parent that is gone ends nobody.
process.on('disconnect', () => process.exit(1))
const running = await run(app, {
  log: kafka(brokers, { node, state }),
  workers: 1,
  http: { port: 0 },
  entry: new URL('./story-application.ts', import.meta.url),
  report: () => {},
})
process.on('message', async () => {
  await running.stop()
  process.exit(0)
})
process.send!(running.url)
