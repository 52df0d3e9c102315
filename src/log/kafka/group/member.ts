/**
 * Membership in a Kafka group, whatever its protocol.
 *
 *     joining ─► member ─► left
 *        ▲         │
 *        └ fenced ◄┘  the group took it for dead: everything is given up first, then it joins under a new id
 *
 * Words: a *member* is one worker in one group, and a group is one pipeline. A task has an id 'part/partition'. The
 * *epoch* (the generation, in the classic protocol) goes with every commit of positions: a wrong one is refused.
 *
 * Invariants
 * 1. A task is active at one member at most: it is given to another after its owner said that it let go of it.
 * 2. What the runtime holds (`setOwned`) is told as it is: a task that is being closed is still held.
 */
import type { Cluster } from '../cluster.ts'
import type { Endpoint } from '../wire/connection.ts'

/** Task ids. A warm-up is a standby that is to become active once it has caught up. */
export interface MemberTasks {
  readonly active: readonly string[]
  readonly standby: readonly string[]
  readonly warmup: readonly string[]
}

export const NO_TASKS: MemberTasks = { active: [], standby: [], warmup: [] }

/** How far a task that is not active has read its changelogs, in records, and where they end. */
export interface TaskProgress {
  readonly task: string
  readonly offset: number
  readonly end: number
}

export interface OwnedTasks extends MemberTasks {
  readonly offsets: readonly TaskProgress[]
}

/** Nodes of a group that can be asked, with the tasks they hold. */
export interface GroupPeer {
  readonly endpoint: Endpoint
  readonly active: readonly string[]
  readonly standby: readonly string[]
}

/** Who is to have a task that another member still holds. */
export interface TaskTarget {
  readonly memberId: string
  /** Its `processId`. */
  readonly node: string
}

/** A part of a pipeline: its tasks are its name with each of the partition numbers. */
export interface GroupPart {
  readonly id: string
  /** All have as many partitions. */
  readonly sources: readonly string[]
  readonly partitions: number
  /** Without any, its tasks get no standby. */
  readonly changelogs: readonly string[]
}

export interface MemberListener {
  /**
   * The tasks the member shall have from now on. Before this returns, `setOwned` must have been told all that is held:
   * those of them that are handed on to be run, and those that are gone and still to be closed.
   */
  assigned(tasks: MemberTasks): void
  /** Whoever commits must know it as soon as can be. */
  epoch(memberId: string, epoch: number): void
  /** The group went on without this member: resolve when none of its tasks runs any more. */
  fenced(why: string): Promise<void>
  /** Nodes came, went, or have other tasks. */
  peers(peers: readonly GroupPeer[]): void
  /** What keeps the group from giving out tasks; null: nothing (any more). */
  problem(message: string | null): void
}

export interface MemberSettings {
  readonly cluster: Cluster
  readonly group: string
  /** Of the node: the standby of a task is on another one than the active. */
  readonly processId: string
  /** Where others ask this node; null: they cannot. */
  readonly endpoint: Endpoint | null
  readonly rack: string | null
  readonly parts: readonly GroupPart[]
  readonly standbys: number
  readonly sessionMs: number
  /** How long a member may take to let go of a task before the group takes it for dead. */
  readonly rebalanceMs: number
  /** The longest time between heartbeats; while the group is in motion they come sooner. */
  readonly heartbeatMs: number
  readonly listener: MemberListener
}

export interface GroupMember {
  readonly protocol: 'streams' | 'classic'
  readonly group: string
  /** A new one after it was fenced. */
  readonly memberId: string
  readonly epoch: number
  readonly assigned: MemberTasks
  readonly peers: readonly GroupPeer[]
  /** What the runtime holds now; the group is told at once when it matters. */
  setOwned(owned: OwnedTasks): void
  /** Who is to have these tasks, as far as the group has decided that and tells it. */
  targets(tasks: readonly string[]): Promise<ReadonlyMap<string, TaskTarget>>
  /** Asks the group at once, for something may have happened to it. */
  now(): void
  /** Gives its tasks to the others: when none of them runs any more. */
  leave(): Promise<void>
}

export function taskOf(part: string, partition: number): string {
  return `${part}/${partition}`
}

export function allTasks(parts: readonly GroupPart[]): string[] {
  return parts.flatMap(part => Array.from({ length: part.partitions }, (_, partition) => taskOf(part.id, partition)))
}

/** Ids by part, as messages have them. */
export function byPart(tasks: readonly string[]): { subtopologyId: string; partitions: number[] }[] {
  const parts = new Map<string, number[]>()
  for (const task of tasks) {
    const slash = task.lastIndexOf('/')
    const part = task.slice(0, slash)
    const partitions = parts.get(part)
    if (partitions === undefined) parts.set(part, [Number(task.slice(slash + 1))])
    else partitions.push(Number(task.slice(slash + 1)))
  }
  return [...parts].map(([subtopologyId, partitions]) => ({ subtopologyId, partitions }))
}

export function fromParts(
  parts: readonly { readonly subtopologyId: string; readonly partitions: readonly number[] }[],
): string[] {
  return parts.flatMap(({ subtopologyId, partitions }) => partitions.map(partition => taskOf(subtopologyId, partition)))
}

export function sameTasks(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  const there = new Set(a)
  return b.every(task => there.has(task))
}

export function sameAssignment(a: MemberTasks, b: MemberTasks): boolean {
  return sameTasks(a.active, b.active) && sameTasks(a.standby, b.standby) && sameTasks(a.warmup, b.warmup)
}
