/** A log that is open, of either engine, as the runtime uses it: clients, addresses for threads, and who has which tasks. */
import type { AldebaranError } from '../errors.ts'
import type { LogAddress } from '../log/client.ts'
import type { Log } from '../log/contract.ts'
import type { RowCopy } from '../state/contract.ts'
import type { Application } from './application.ts'
import type { Director } from './assignment.ts'
import type { TableQuery } from './queries.ts'
import type { TaskPlan } from './task-plan.ts'
import type { Report } from './worker-host.ts'

/** What an engine needs of the process it is in. */
export interface EngineSettings {
  readonly application: Application
  readonly plans: readonly TaskPlan[]
  readonly workers: number
  readonly report: Report
  /** Answers a question of another node from this one's rows. */
  readonly answer: (query: TableQuery) => Promise<RowCopy[] | undefined>
  /** Where this process serves HTTP; null: nowhere (yet). */
  readonly api: () => string | null
}

/** A node of the application, as this one knows it. */
export interface NodeView {
  readonly node: string
  readonly endpoint: string
  readonly api: string | null
  /** This process. */
  readonly own: boolean
  readonly state: 'connecting' | 'alive' | 'suspect' | 'dead' | 'gone'
  readonly roundTripMs: number | null
  readonly active: readonly string[]
  readonly standby: readonly string[]
}

export interface EngineCounters {
  /** Open now. */
  readonly connections: number
  /** That were lost, or could not be made. */
  readonly connectionFailures: number
  /** Times that units under way were given up and sent again. */
  readonly recoveries: number
  /** Nodes that this one took for dead. */
  readonly buried: number
  /** Requests sent to brokers, by the names of their apis. */
  readonly requests: ReadonlyMap<string, number>
  /** The workers in their groups. */
  readonly memberships: readonly { readonly group: string; readonly worker: number; readonly epoch: number }[]
}

export interface LogEngine {
  client(): Log
  /** For one client in this or any other thread of the process. */
  address(): LogAddress
  workerAddress(worker: number): LogAddress
  /**
   * A client whose commits are refused once another node has asked for one of this name; the caller closes it. Null: no
   * other node can write to this log.
   */
  sole(name: string): Log | null
  /** Gives back the address of a thread that ended; resolves when all it had submitted is answered. */
  release(address: LogAddress): Promise<void>
  /** Begins to say which tasks the workers have. Called once, when the topics are there. */
  director(): Director
  /** Asks the node that has the partition; undefined: it is not known, or it is this one. */
  ask(task: string, query: TableQuery): Promise<RowCopy[] | undefined>
  /** Where the API of this process listens has changed. */
  apiChanged(): void
  /** Every node of the application; empty where there is but one. */
  nodes(): NodeView[]
  /** How long a unit waits for more by default: what a commit costs decides. */
  readonly lingerMs: number
  /** The tasks of this process were given out, and run. */
  readonly isSettled: boolean
  /** What the engine counts beside the workers; null: nothing. */
  counters(): EngineCounters | null
  /** What keeps tasks from being given out. */
  problems(): { message: string; details: Record<string, string> }[]
  /** Resolves when the log has ended: with null after `close`, with its error otherwise. */
  readonly stopped: Promise<AldebaranError | null>
  close(): Promise<void>
}
