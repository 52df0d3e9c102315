/** Deliveries that keep something open: what `close` did is a line of the file that CLOSED_FILE names. */
import { appendFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { application, delivery, text, topic } from '../../src/index.ts'

export const notes = topic('notes', { key: text(), value: text(), partitions: 2 })

const write = (line: string): void => appendFileSync(process.env.CLOSED_FILE!, `${line}\n`)

export const closing = application('closing', {
  deliveries: [
    delivery('kept', {
      from: notes,
      send: value => write(value),
      close: async () => {
        await setTimeout(1)
        write('closed')
      },
    }),
    delivery('broken', {
      from: notes,
      send: () => {},
      close: () => {
        throw new Error('it cannot be closed')
      },
    }),
  ],
})
