/** A node of the application with windows, in a process that is killed and started again. Arguments: brokers, name, folder. */
import { kafka, run } from '../../src/index.ts'

const [brokers = '', node = '', state = ''] = process.argv.slice(2)
// A parent that is gone ends nobody.
process.on('disconnect', () => process.exit(1))
const { app } = await import('./windows-application.ts')
await run(app, {
  log: kafka(brokers, { node, state }),
  workers: 1,
  http: false,
  entry: new URL('./windows-application.ts', import.meta.url),
  report: () => {},
})
process.send!('ready')
