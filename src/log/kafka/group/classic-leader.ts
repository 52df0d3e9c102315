/** What the member that leads a classic group does: it gives out the tasks to all. */
import { type AssignableMember, giveOut, shareTasks } from './assignor.ts'
import { decodeSubscription, encodeAssignment, type Subscription } from './classic-data.ts'
import { allTasks, type GroupPart, type GroupPeer } from './member.ts'

export interface Joined {
  readonly memberId: string
  readonly metadata: Uint8Array
}

export function leadGroup(
  parts: readonly GroupPart[],
  standbys: number,
  joined: readonly Joined[],
): { memberId: string; assignment: Uint8Array }[] {
  const told = new Map(joined.map(({ memberId, metadata }) => [memberId, decodeSubscription(metadata)] as const))
  const members = [...told].map(
    ([id, { process, generation, claims, standbys }]): AssignableMember => ({
      id,
      process,
      generation,
      claims,
      standbys,
    }),
  )
  const tasks = parts.flatMap(part => {
    const stateful = part.changelogs.length > 0
    return allTasks([part]).map(id => ({ id, stateful }))
  })
  const given = giveOut(shareTasks(tasks, members, standbys), members)
  const peers = peersOf(told, given)
  return [...given].map(([memberId, { active, standby }]) => ({
    memberId,
    assignment: encodeAssignment({ tasks: { active, standby, warmup: [] }, peers }),
  }))
}

function peersOf(
  told: ReadonlyMap<string, Subscription>,
  given: ReadonlyMap<string, { readonly active: readonly string[]; readonly standby: readonly string[] }>,
): GroupPeer[] {
  const peers = new Map<string, GroupPeer>()
  for (const [id, { endpoint }] of told) {
    if (endpoint === null) continue
    const name = `${endpoint.host}:${endpoint.port}`
    const { active, standby } = given.get(id)!
    const before = peers.get(name)
    peers.set(name, {
      endpoint,
      active: [...(before?.active ?? []), ...active],
      standby: [...new Set([...(before?.standby ?? []), ...standby])],
    })
  }
  return [...peers.values()]
}
