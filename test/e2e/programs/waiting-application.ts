/** An application that never gets ready while WAITING_FILE is set: its worker threads wait for ever, and the file tells that one does. */
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { application, pipeline, text, topic } from '../../../src/index.ts'

const { WAITING_FILE } = process.env
if (!isMainThread && WAITING_FILE !== undefined) {
  writeFileSync(WAITING_FILE, '')
  await new Promise(() => setInterval(() => {}, 1000))
}

const words = pipeline('words')
words.from(topic('words', { key: text(), value: text() })).each(() => {})
export const app = application('words', { pipelines: [words] })
