/** A pipeline whose results go to PostgreSQL, for `sink-kill.test.ts`. */
import { application, avro, pipeline, t, text, topic } from 'aldebaran'

const numbered = { station: t.string, number: t.int }

export const sent = topic('sent', { key: text(), value: avro('Sent', numbered), partitions: 4 })
export const squares = topic('squares', {
  key: text(),
  value: avro('Square', { ...numbered, square: t.double }),
  partitions: 3,
})

const p = pipeline('squares')
p.from(sent)
  .map(one => ({ ...one, square: one.number ** 2 }))
  .to(squares)

export const app = application('squaring', { pipelines: [p] })
