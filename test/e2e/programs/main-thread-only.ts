/** A program that its worker threads cannot load. */
import { isMainThread } from 'node:worker_threads'
import { application, embedded, pipeline, run, text, topic } from '../../../src/index.ts'

if (!isMainThread) throw new Error('made for the main thread')
const shout = pipeline('shout')
shout.from(topic('words', { key: text(), value: text() })).each(() => {})
await run(application('script', { pipelines: [shout] }), { log: embedded(process.argv[2]!), http: false })
