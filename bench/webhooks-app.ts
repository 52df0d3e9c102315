/** The webhooks application in a process of its own, set up by WEBHOOKS_BENCH; worker threads import this file too. */
import { buildWebhooks, type WebhooksSettings } from '../apps/webhooks/app.ts'
import { webhookRoutes } from '../apps/webhooks/routes.ts'
import { embedded, type Running, run } from '../src/index.ts'
import { BatchCursor } from '../src/record/batch-cursor.ts'
import { answerCalls } from './webhooks-process.ts'

export interface AppSettings {
  folder: string
  durability: 'process' | 'disk'
  /** Of all tables and buffers. */
  memory: string
  maxSize: string
  webhooks: WebhooksSettings
}

const {
  folder,
  durability,
  memory,
  maxSize,
  webhooks: settings,
} = JSON.parse(process.env.WEBHOOKS_BENCH ?? '{}') as AppSettings
const webhooks = buildWebhooks(settings)
const running = await run(webhooks.application, {
  log: embedded(folder, { durability, maxSize }),
  memory,
  signals: false,
  http: { port: 0, console: false, routes: webhookRoutes(webhooks) },
  entry: new URL(import.meta.url),
  logLevel: 'error',
})
await running.ready()

const calls = {
  url: (_: null): string => running.url!,
  letters: (_: null): Letters => lettersOf(running),
}
export type AppCalls = typeof calls

/** Dead letters by the numbers of their events, as often as they are there; and those without a number. */
export interface Letters {
  numbers: Uint32Array
  others: number
}

function lettersOf({ log, application }: Running): Letters {
  const reader = log.reader(application.deadLetters.name, 0, 'earliest')
  const cursor = new BatchCursor()
  const numbers: number[] = []
  let others = 0
  while (reader.poll(1 << 20)) {
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (cursor.next()) {
        const id = cursor.headers().find(({ key }) => key === 'id')?.value
        const match = /^e_(\d+)$/.exec(id ? Buffer.from(id).toString() : '')
        if (match === null) others++
        else numbers.push(Number(match[1]))
      }
    }
  }
  return { numbers: Uint32Array.from(numbers), others }
}

answerCalls(calls)
