/**
 * Who gets which task, in groups of the classic protocol: computed by the member that leads.
 *
 * Invariants
 * 1. Every task is active at one member, and members differ by one active task at most.
 * 2. A task stays where it is as far as 1 allows; one that moves goes to a standby that has caught up, if there is one.
 * 3. Standbys of a task are on processes of their own, none on that of its active.
 * 4. What is given out now (`giveOut`) leaves out tasks that someone else still holds: they follow in a later round,
 *    when their owner has let go. Until then the new owner follows them.
 */

export interface AssignableTask {
  readonly id: string
  /** Has tables, so a standby is of use. */
  readonly stateful: boolean
}

export interface AssignableMember {
  readonly id: string
  readonly process: string
  /** The generation the claims are of: of two that claim a task, the later one is right. */
  readonly generation: number
  /** Active tasks it was given or still holds. */
  readonly claims: readonly string[]
  /** Tasks whose changelogs it follows, with the records it has still to read. */
  readonly standbys: readonly { readonly task: string; readonly lag: number }[]
}

export interface TaskShare {
  active: string[]
  standby: string[]
}

/** A standby with no more than so many records to read is ready in no time. */
const READY_LAG = 10_000

/** The shares as they shall be in the end. */
export function shareTasks(
  tasks: readonly AssignableTask[],
  members: readonly AssignableMember[],
  standbys: number,
): Map<string, TaskShare> {
  const shares = new Map(members.map(({ id }) => [id, { active: [], standby: [] } as TaskShare]))
  if (members.length === 0) return shares
  const ordered = [...members].sort((a, b) => compare(a.id, b.id))
  shareActive(tasks, ordered, shares)
  shareStandby(tasks, ordered, shares, standbys)
  return shares
}

function shareActive(
  tasks: readonly AssignableTask[],
  members: readonly AssignableMember[],
  shares: ReadonlyMap<string, TaskShare>,
): void {
  const known = new Set(tasks.map(({ id }) => id))
  const claimants = ownersOf(members)
  const least = Math.floor(tasks.length / members.length)
  let larger = tasks.length % members.length
  const ready = readyStandbys(members)

  const kept = new Set<string>()
  const claimsOf = new Map(
    members.map(
      ({ id, claims }) => [id, claims.filter(task => known.has(task) && claimants.get(task) === id)] as const,
    ),
  )
  const byClaims = [...members].sort((a, b) => claimsOf.get(b.id)!.length - claimsOf.get(a.id)!.length)
  for (const { id } of byClaims) {
    const claims = claimsOf.get(id)!
    // Those that another could take over at once go first.
    const stay = [...claims].sort((a, b) => Number(ready.has(a)) - Number(ready.has(b)) || compare(a, b))
    const limit = claims.length > least && larger > 0 ? least + 1 : least
    if (limit > least) larger--
    for (const task of stay.slice(0, limit)) {
      shares.get(id)!.active.push(task)
      kept.add(task)
    }
  }

  const hasRoom = (id: string): boolean => {
    const { length } = shares.get(id)!.active
    return length < least || (length === least && larger > 0)
  }
  const give = (id: string, task: string): void => {
    const { active } = shares.get(id)!
    if (active.length === least) larger--
    active.push(task)
  }
  const left = tasks.filter(({ id }) => !kept.has(id))
  const cold = left.filter(({ id }) => {
    const taker = ready.get(id)?.find(hasRoom)
    if (taker !== undefined) give(taker, id)
    return taker === undefined
  })
  for (const { id } of cold) {
    const taker = leastOf(
      members.filter(member => hasRoom(member.id)).map(member => member.id),
      shares,
    )
    give(taker!, id)
  }
}

/** By task, the members that could take it over at once: the one with the least to read first. */
function readyStandbys(members: readonly AssignableMember[]): Map<string, string[]> {
  const all = members.flatMap(({ id, standbys }) =>
    standbys.filter(({ lag }) => lag <= READY_LAG).map(({ task, lag }) => ({ id, task, lag })),
  )
  all.sort((a, b) => a.lag - b.lag || compare(a.id, b.id))
  const byTask = new Map<string, string[]>()
  for (const { id, task } of all) byTask.set(task, [...(byTask.get(task) ?? []), id])
  return byTask
}

function shareStandby(
  tasks: readonly AssignableTask[],
  members: readonly AssignableMember[],
  shares: ReadonlyMap<string, TaskShare>,
  standbys: number,
): void {
  const stateful = tasks.filter(task => task.stateful)
  const processes = new Set(members.map(({ process }) => process)).size
  const copies = Math.min(standbys, processes - 1)
  if (copies <= 0) return
  const activeAt = new Map(
    members.flatMap(member => shares.get(member.id)!.active.map(task => [task, member] as const)),
  )
  const fair = Math.ceil((stateful.length * copies) / members.length)
  const places = new Map<string, Set<string>>()
  const place = (task: string, member: AssignableMember): void => {
    shares.get(member.id)!.standby.push(task)
    places.get(task)!.add(member.process)
  }
  const isFree = (task: string, member: AssignableMember): boolean =>
    places.get(task)!.size <= copies && !places.get(task)!.has(member.process)
  const isUnderFair = (member: AssignableMember): boolean => shares.get(member.id)!.standby.length < fair

  for (const { id } of stateful) places.set(id, new Set([activeAt.get(id)!.process]))
  // Who has the tables already: it held the task, or followed it.
  for (const { id } of stateful) {
    const holders = members
      .map(member => ({ member, lag: lagOf(member, id) }))
      .filter(({ lag }) => lag < Number.POSITIVE_INFINITY)
      .sort((a, b) => a.lag - b.lag)
    for (const { member } of holders) if (isFree(id, member) && isUnderFair(member)) place(id, member)
  }
  for (const { id } of stateful) {
    while (places.get(id)!.size <= copies) {
      const free = members.filter(member => isFree(id, member))
      const under = free.filter(isUnderFair)
      const taker = leastOf(
        (under.length > 0 ? under : free).map(member => member.id),
        shares,
      )
      if (taker === undefined) break
      place(id, members.find(member => member.id === taker)!)
    }
  }
}

function lagOf({ claims, standbys }: AssignableMember, task: string): number {
  if (claims.includes(task)) return 0
  return standbys.find(standby => standby.task === task)?.lag ?? Number.POSITIVE_INFINITY
}

/** Who holds a task now, of those that claim it. */
function ownersOf(members: readonly AssignableMember[]): Map<string, string> {
  const owners = new Map<string, AssignableMember>()
  for (const member of members) {
    for (const task of member.claims) {
      const before = owners.get(task)
      if (before === undefined || member.generation > before.generation) owners.set(task, member)
    }
  }
  return new Map([...owners].map(([task, { id }]) => [task, id]))
}

function leastOf(ids: readonly string[], shares: ReadonlyMap<string, TaskShare>): string | undefined {
  const load = (id: string): number => shares.get(id)!.active.length + shares.get(id)!.standby.length
  return [...ids].sort((a, b) => load(a) - load(b) || compare(a, b))[0]
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The shares as they can be given out now. */
export function giveOut(
  shares: ReadonlyMap<string, TaskShare>,
  members: readonly AssignableMember[],
): Map<string, TaskShare> {
  const processOf = new Map(members.map(({ id, process }) => [id, process]))
  const holders = new Map<string, string[]>()
  for (const { id, claims } of members) {
    for (const task of claims) holders.set(task, [...(holders.get(task) ?? []), id])
  }
  const given = new Map<string, TaskShare>()
  for (const [id, share] of shares) {
    const others = (task: string): string[] => (holders.get(task) ?? []).filter(holder => holder !== id)
    const process = processOf.get(id)
    const isHeldHere = (task: string): boolean => others(task).some(holder => processOf.get(holder) === process)
    const waits = share.active.filter(task => others(task).length > 0)
    given.set(id, {
      active: share.active.filter(task => others(task).length === 0),
      standby: [...share.standby, ...waits].filter(task => !isHeldHere(task)),
    })
  }
  return given
}
