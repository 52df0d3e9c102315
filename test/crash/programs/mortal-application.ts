/** An application whose handlers die or wait as the record at hand says. */
import { existsSync, writeFileSync, writeSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import { application, json, pipeline, t, text, topic } from '../../../src/index.ts'

export interface Order {
  n: number
  /** How the thread that handles it fares. It dies only while `file` is not there, and leaves that behind. */
  fate?: 'exits' | 'throws later' | 'needs too much memory' | 'waits for file'
  file?: string
}

export const orders = topic('orders', { key: text(), value: json<Order>(), partitions: 2 })
export const done = topic('done', {
  key: text(),
  value: json<{ n: number; count: number; thread: number }>(),
  partitions: 2,
})

/** Of partition 0 and 1. */
export const KEYS = ['a', 'd'] as const

const work = pipeline('work')
const counts = work.table('counts', { key: text(), row: { count: t.int } })
work
  .from(orders)
  .into(counts, (order, row) => {
    suffer(order)
    row.count++
    return { n: order.n, count: row.count, thread: threadId }
  })
  .to(done)

export const mortal = application('mortal', { pipelines: [work] })

function suffer({ fate, file = '' }: Order): void {
  if (fate === undefined) return
  if (fate === 'waits for file') {
    say('waits')
    const never = new Int32Array(new SharedArrayBuffer(4))
    while (!existsSync(file)) Atomics.wait(never, 0, 0, 10)
    return
  }
  if (existsSync(file)) return
  writeFileSync(file, '')
  if (fate === 'exits') process.exit(3)
  if (fate === 'needs too much memory') {
    const all: unknown[] = []
    for (;;) all.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
  }
  setImmediate(() => {
    throw new Error('too late to be caught')
  })
}

/** At once, also from a thread that does not return to its event loop. */
export function say(what: string, more: object = {}): void {
  writeSync(1, `${JSON.stringify({ what, ...more })}\n`)
}
