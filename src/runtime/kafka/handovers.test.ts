import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { TaskTarget } from '../../log/kafka/group/member.ts'
import { Handovers } from './handovers.ts'

const TARGET = { memberId: 'other' } as unknown as TaskTarget

/** A group that wants tasks at another member, which reads `lag` records before it has their tables. */
function handovers(lag: Record<string, number | null>) {
  const released: string[][] = []
  const warmed: string[] = []
  const targets = new Map<string, TaskTarget>()
  let hear: () => void = () => {}
  const tasks = new Handovers({
    targets: async asked => new Map([...targets].filter(([task]) => asked.includes(task))),
    warm: async (_, task) => {
      warmed.push(task)
      return lag[task] ?? null
    },
    withTables: new Set(Object.keys(lag)),
    release: tasks => {
      released.push([...tasks])
      hear()
    },
  })
  const heard = async (times = 1): Promise<void> => {
    while (released.length < times) await new Promise<void>(resolve => (hear = resolve))
  }
  return { tasks, targets, warmed, released, heard }
}

test('a task that is taken away while another is handed over is kept until its new owner has its tables', async () => {
  const lag: Record<string, number | null> = { 'a/0': null, 'a/1': null }
  const { tasks, targets, warmed, released, heard } = handovers(lag)
  targets.set('a/0', TARGET).set('a/1', TARGET)
  tasks.begin(['a/0'])
  while (!warmed.includes('a/0')) await turn()
  tasks.begin(['a/1'])
  lag['a/0'] = 0
  while (!warmed.includes('a/1')) {
    assert.deepEqual(released, [])
    await turn()
  }
  lag['a/1'] = 0
  await heard()
  assert.deepEqual(released, [['a/0', 'a/1']])
})

test('tasks without tables, or that nobody is to have, go at once', async () => {
  const { tasks, warmed, released, heard } = handovers({ 'a/0': null })
  tasks.begin(['a/0', 'b/0'])
  await heard()
  assert.deepEqual(released, [['a/0', 'b/0']])
  assert.deepEqual(warmed, [])
})

test('what the group wants here again, or what is given up, is not released', async () => {
  const lag: Record<string, number | null> = { 'a/0': null, 'a/1': null }
  const { tasks, targets, warmed, released, heard } = handovers(lag)
  targets.set('a/0', TARGET).set('a/1', TARGET)
  tasks.begin(['a/0', 'a/1'])
  while (warmed.length < 2) await turn()
  tasks.forget('a/1')
  lag['a/0'] = 0
  await heard()
  assert.deepEqual(released, [['a/0']])
  tasks.begin(['a/1'])
  tasks.clear()
  tasks.begin(['b/0'])
  await heard(2)
  assert.deepEqual(released, [['a/0'], ['b/0']])
})
