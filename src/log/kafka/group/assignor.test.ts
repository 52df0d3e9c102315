import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AssignableMember, type AssignableTask, giveOut, shareTasks, type TaskShare } from './assignor.ts'

type Shares = ReadonlyMap<string, TaskShare>

const groups = fc
  .record({
    tasks: fc.integer({ min: 0, max: 40 }),
    members: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 9 }),
    standbys: fc.integer({ min: 0, max: 3 }),
    seed: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 80, maxLength: 80 }),
  })
  .map(({ tasks: count, members: processes, standbys, seed }) => {
    const tasks = Array.from({ length: count }, (_, i) => ({ id: `part/${i}`, stateful: seed[i]! % 4 > 0 }))
    const members = processes.map(
      (process, i): AssignableMember => ({
        id: `member-${i}`,
        process: `process-${process}`,
        generation: seed[i]! % 3,
        claims: tasks.filter((_, t) => seed[t] === i).map(({ id }) => id),
        standbys: tasks.filter((_, t) => seed[t + 40] === i).map(({ id }) => ({ task: id, lag: seed[i]! * 5000 })),
      }),
    )
    return { tasks, members, standbys }
  })

function ownersOf(shares: Shares): Map<string, string> {
  return new Map([...shares].flatMap(([id, { active }]) => active.map(task => [task, id] as const)))
}

/** Rounds until nothing moves any more; each member lets go of what was taken away. */
function settle(tasks: readonly AssignableTask[], begin: readonly AssignableMember[], standbys: number): Shares[] {
  const rounds: Shares[] = []
  let members = begin
  for (let generation = 10; generation < 16; generation++) {
    const given = giveOut(shareTasks(tasks, members, standbys), members)
    rounds.push(given)
    members = members.map(member => {
      const { active, standby } = given.get(member.id)!
      return { ...member, generation, claims: active, standbys: standby.map(task => ({ task, lag: 0 })) }
    })
  }
  return rounds
}

test('every task is active at exactly one member, and members differ by one at most', () => {
  fc.assert(
    fc.property(groups, ({ tasks, members, standbys }) => {
      const shares = shareTasks(tasks, members, standbys)
      const active = [...shares.values()].flatMap(share => share.active)
      assert.deepEqual(active.sort(), tasks.map(({ id }) => id).sort())
      const counts = [...shares.values()].map(share => share.active.length)
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1)
    }),
  )
})

test('standbys are on processes of their own, never on that of the active, and as many as there are processes for', () => {
  fc.assert(
    fc.property(groups, ({ tasks, members, standbys }) => {
      const shares = shareTasks(tasks, members, standbys)
      const processOf = new Map(members.map(({ id, process }) => [id, process]))
      const copies = Math.min(standbys, new Set(processOf.values()).size - 1)
      const owners = ownersOf(shares)
      for (const { id, stateful } of tasks) {
        const followers = [...shares].filter(([, { standby }]) => standby.includes(id)).map(([member]) => member)
        const processes = [owners.get(id)!, ...followers].map(member => processOf.get(member))
        assert.equal(new Set(processes).size, processes.length)
        assert.equal(followers.length, stateful ? copies : 0)
      }
    }),
  )
})

test('no more tasks move than balance asks for', () => {
  fc.assert(
    fc.property(groups, ({ tasks, members }) => {
      const shares = shareTasks(tasks, members, 0)
      const most = Math.ceil(tasks.length / members.length)
      const least = Math.floor(tasks.length / members.length)
      for (const { id, claims } of members) {
        const alone = claims.filter(task => members.every(other => other.id === id || !other.claims.includes(task)))
        const kept = alone.filter(task => shares.get(id)!.active.includes(task))
        assert.ok(kept.length >= Math.min(alone.length, least))
        if (kept.length < alone.length) assert.ok(shares.get(id)!.active.length <= most)
      }
    }),
  )
})

test('what is balanced stays as it is', () => {
  fc.assert(
    fc.property(groups, ({ tasks, members, standbys }) => {
      const rounds = settle(tasks, members, standbys)
      const last = rounds.at(-1)!
      const before = rounds.at(-2)!
      for (const [id, { active, standby }] of last) {
        assert.deepEqual(active.toSorted(), before.get(id)!.active.toSorted())
        assert.deepEqual(standby.toSorted(), before.get(id)!.standby.toSorted())
      }
      assert.equal(ownersOf(last).size, tasks.length)
    }),
  )
})

test('a task is given to nobody while another member holds it, and is followed on other processes until then', () => {
  fc.assert(
    fc.property(groups, ({ tasks, members, standbys }) => {
      const given = giveOut(shareTasks(tasks, members, standbys), members)
      const processOf = new Map(members.map(({ id, process }) => [id, process]))
      for (const [id, { active, standby }] of given) {
        for (const member of members) {
          if (member.id === id) continue
          assert.ok(active.every(task => !member.claims.includes(task)))
          if (processOf.get(id) !== member.process) continue
          assert.ok(standby.every(task => !member.claims.includes(task)))
        }
      }
    }),
  )
})

test('a member that leaves is followed by standbys that have caught up', () => {
  const tasks = Array.from({ length: 8 }, (_, i) => ({ id: `part/${i}`, stateful: true }))
  const nobody = { generation: 0, claims: [], standbys: [] }
  const members = ['a', 'b', 'c'].map(id => ({ id, process: id, ...nobody }))
  const settled = settle(tasks, members, 1).at(-1)!
  const left = ['b', 'c'].map(id => ({
    id,
    process: id,
    generation: 20,
    claims: settled.get(id)!.active,
    standbys: settled.get(id)!.standby.map(task => ({ task, lag: 0 })),
  }))
  const shares = shareTasks(tasks, left, 1)
  for (const task of settled.get('a')!.active) {
    const owner = ownersOf(shares).get(task)!
    const couldTake = left.filter(member => member.standbys.some(standby => standby.task === task))
    const full = couldTake.every(({ id }) => shares.get(id)!.active.length === 4)
    assert.ok(full || couldTake.some(({ id }) => id === owner))
  }
})

test('the larger generation is right when two members claim a task', () => {
  const tasks = [{ id: 'part/0', stateful: true }]
  const claim = { claims: ['part/0'], standbys: [] }
  const members = [
    { id: 'old', process: 'p', generation: 1, ...claim },
    { id: 'new', process: 'q', generation: 2, ...claim },
  ]
  const shares = shareTasks(tasks, members, 0)
  assert.deepEqual(shares.get('new')!.active, ['part/0'])
  assert.deepEqual(giveOut(shares, members).get('new')!.active, [])
})
