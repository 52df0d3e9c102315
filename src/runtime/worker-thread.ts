/**
 * The entry of a worker thread: imports the user's module, finds the application in it, and runs its tasks in a loop
 * that blocks when there is nothing to do. It returns to its event loop now and then, so that what handlers print gets
 * out; HTTP, heartbeats and timers of the process live on the main thread, so a long handler delays none of them.
 */
import { setImmediate } from 'node:timers/promises'
import { isMainThread, type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { AldebaranError, messageOf } from '../errors.ts'
import { connectLog, type LogAddress } from '../log/client.ts'
import type { RowCopy } from '../state/contract.ts'
import { MemoryBudget } from '../state/memory-budget.ts'
import { systemClock } from '../time/clock.ts'
import type { Application } from './application.ts'
import { findApplication } from './find-application.ts'
import { Measures } from './measures.ts'
import { answerQuery, type TableQuery } from './queries.ts'
import { planTasks, tasksOfWorker } from './task-plan.ts'
import type { RowVersions } from './task-state.ts'
import { TaskWorker, type WorkerSettings } from './worker.ts'

/** Longest stay away from the event loop, ms. */
const TURN_MS = 50

export interface WorkerThreadData {
  kind: 'aldebaran-worker'
  entry: string
  application: string
  worker: number
  workers: number
  address: LogAddress
  measures: SharedArrayBuffer
  budget: { limit: number; shared: SharedArrayBuffer }
  /** control[0]: 1 asks it to stop. */
  control: SharedArrayBuffer
  versions: ReadonlyMap<string, RowVersions>
  settings: WorkerSettings
  queries: MessagePort
}

/** Why a worker, or a task of it, does not go on. */
export interface WorkerProblem {
  message: string
  code: string | null
  /** What the message speaks of: topic, partition, offset … */
  details: AldebaranError['details']
}

export type FromWorker =
  | { kind: 'report'; level: 'info' | 'warn' | 'error'; message: string; details: Record<string, unknown> }
  | { kind: 'state'; state: string; problem: WorkerProblem | null }

export interface QueryMessage {
  id: number
  query: TableQuery
}

export interface QueryAnswer {
  id: number
  /** Undefined: the table is not here, or the question cannot be answered for the `problem`. */
  rows: RowCopy[] | undefined
  problem: WorkerProblem | null
}

async function runThread(data: WorkerThreadData, tell: (message: FromWorker) => void): Promise<void> {
  const app: Application = await findApplication(data.entry, data.application)
  const log = connectLog(data.address)
  const control = new Int32Array(data.control)
  const worker = new TaskWorker(
    tasksOfWorker(planTasks(app), data.worker, data.workers),
    {
      log,
      clock: systemClock,
      measures: new Measures(0, data.measures),
      budget: new MemoryBudget(data.budget.limit, data.budget.shared),
      versions: data.versions,
      report: (level, message, details) => tell({ kind: 'report', level, message, details }),
    },
    data.settings,
  )
  let told = ''
  const tellState = (): void => {
    const problem = worker.problem?.message ?? null
    const now = `${worker.state} ${problem}`
    if (now === told) return
    told = now
    tell({ kind: 'state', state: worker.state, problem: problemOf(worker.problem) })
  }
  // Tells that the application was found, before what may take long.
  tellState()
  let turned = systemClock.monotonic()
  while (worker.state !== 'stopped') {
    if (Atomics.load(control, 0) === 1) worker.stop()
    for (
      let asked = receiveMessageOnPort(data.queries);
      asked !== undefined;
      asked = receiveMessageOnPort(data.queries)
    ) {
      const { id, query } = asked.message as QueryMessage
      data.queries.postMessage({ id, ...answered(worker, query) })
    }
    const worked = worker.step()
    tellState()
    if (!worked) log.wait(Math.min(worker.idleMs(), TURN_MS))
    if (systemClock.monotonic() - turned >= TURN_MS) {
      await setImmediate()
      turned = systemClock.monotonic()
    }
  }
  tellState()
  await log.close()
  data.queries.close()
}

function problemOf(error: Error | null): WorkerProblem | null {
  if (error === null) return null
  return error instanceof AldebaranError
    ? { message: error.message, code: error.code, details: error.details }
    : { message: messageOf(error), code: null, details: {} }
}

/** A question that cannot be answered is an answer too: it must not end the thread. */
function answered(worker: TaskWorker, query: TableQuery): Pick<QueryAnswer, 'rows' | 'problem'> {
  try {
    return { rows: answerQuery(worker, query), problem: null }
  } catch (error) {
    return { rows: undefined, problem: problemOf(error instanceof Error ? error : new Error(messageOf(error))) }
  }
}

const data = workerData as WorkerThreadData | null
if (!isMainThread && parentPort !== null && data?.kind === 'aldebaran-worker') {
  const port = parentPort
  await runThread(data, message => port.postMessage(message))
  port.close()
}
