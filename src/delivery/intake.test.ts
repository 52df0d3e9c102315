import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TaskContext } from '../pipeline/task-context.ts'
import { topic } from '../pipeline/topic.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import { BatchWriter } from '../record/batch-writer.ts'
import { text } from '../schema/primitives.ts'
import { VirtualClock } from '../time/clock.ts'
import { Intake } from './intake.ts'
import { Latest } from './latest.ts'
import { compileDelivery } from './settings.ts'

test('what was taken in stays as it is when the buffer that it was read from is used again', () => {
  const from = topic('events', { key: text(), value: text(), partitions: 1 })
  const clock = new VirtualClock(1000)
  const settings = compileDelivery('calls', { from, send: () => {} })
  const intake = new Intake(settings, 0, null, new Latest(new Map()), clock)
  const writer = new BatchWriter()
  const [key, value, header] = [Buffer.from('key'), Buffer.from('value'), Buffer.from('header')]
  writer.append(1000, key, 0, key.length, value, 0, value.length, [{ key: 'h', value: header }])
  const read = Buffer.from(writer.finish())
  const cursor = new BatchCursor()
  cursor.reset(read, 0, read.length)
  assert.ok(cursor.nextBatch() && cursor.next())
  const context = new TaskContext(0, from.key, new Map())
  context.cursor = cursor
  intake.admit('value', context)
  read.fill(0)
  const [event] = intake.take()!.events
  assert.equal(String(event!.key), 'key')
  assert.equal(String(event!.value), 'value')
  assert.deepEqual(
    event!.headers.map(one => `${one.key} ${one.value}`),
    ['h header'],
  )
})
