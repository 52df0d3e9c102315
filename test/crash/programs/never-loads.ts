/** An application that its worker threads never get to see, because the module waits for something before it. */
import { writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import { embedded, run } from '../../../src/index.ts'
import { mortal } from './mortal-application.ts'

if (!isMainThread) {
  writeSync(1, '{"what":"a worker loads"}\n')
  await setTimeout(2 ** 31 - 1)
}
await run(mortal, { log: embedded(process.argv[2]!, { durability: 'process' }), workers: 2, http: false })
