/**
 * The log thread. In a writing process it owns the store: it commits what clients submit, and sleeps on its bell when
 * there is nothing to do. It returns to its event loop for a moment now and then, for what native code leaves there to be
 * freed. In a reading process it follows the store.
 */
import { setImmediate } from 'node:timers/promises'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { AldebaranError, messageOf } from '../errors.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import { Bell } from './bell.ts'
import { CONTROL_BELL, CONTROL_MESSAGES, CONTROL_STATE, type EndsBuffers, EndsTable } from './ends.ts'
import { LogEngine } from './engine.ts'
import { Follower } from './follow.ts'
import { FORMAT_KEY } from './keys.ts'
import { LmdbStore } from './lmdb-store.ts'
import type { MailboxBuffers } from './mailbox.ts'
import { checkFormat, HEARTBEAT_MS, Ownership, parse } from './ownership.ts'
import { Server } from './serve.ts'
import { failureOf, type ThreadFailure } from './thread-failure.ts'
import { CLOSING, DONE, STOPPED } from './unit-sender.ts'

export interface LogThreadData {
  kind: 'aldebaran-log'
  file: string
  ends: EndsBuffers
  durability: 'process' | 'disk'
  maxBytes: number
  mapBytes: number
  readOnly: boolean
}

export interface NewClient {
  number: number
  mailbox: MailboxBuffers
}

/** What it tells, beside `{ kind: 'ready' }`. */
export type FromLogThread = ThreadFailure

/** Between two tries to delete when the disk is full; a ring ends the sleep. */
const SHORTEST_SLEEP_MS = 50
/** Longest stay away from the event loop. */
const TURN_MS = 250
/** How often it is looked whether the file is still there. */
const FILE_CHECK_MS = 1000

type Port = NonNullable<typeof parentPort>

async function runThread(data: LogThreadData, port: Port): Promise<void> {
  const control = new Int32Array(data.ends.control)
  let store: LmdbStore | null = null
  try {
    store = new LmdbStore(data)
    if (data.readOnly) await follow(data, port, store, control)
    else await write(data, port, store, control)
    Atomics.store(control, CONTROL_STATE, DONE)
  } catch (error) {
    Atomics.store(control, CONTROL_STATE, STOPPED)
    port.postMessage(failureOf(error) satisfies FromLogThread)
  } finally {
    await store?.close()
    port.close()
  }
}

async function write(data: LogThreadData, port: Port, store: LmdbStore, control: Int32Array): Promise<void> {
  const clock = systemClock
  const foreign = store.range(Buffer.from([0]), Buffer.from([255]), { limit: 1, keysOnly: true }).length > 0
  if (foreign && store.get(FORMAT_KEY) === undefined) throw noStore(data.file)
  const ownership = readable(data.file, () => new Ownership(store, clock))
  const engineOptions = { clock, maxBytes: data.maxBytes, ends: new EndsTable(data.ends) }
  const engine = readable(data.file, () => new LogEngine(store, engineOptions))
  const server = new Server(engine)
  port.postMessage({ kind: 'ready' })
  try {
    await serveUntilClosed(server, engine, ownership, store, port, control, clock)
  } catch (error) {
    Atomics.store(control, CONTROL_STATE, STOPPED)
    server.ringAll()
    releaseAfter(error, ownership)
    throw error
  }
  ownership.release()
  Atomics.store(control, CONTROL_STATE, DONE)
  server.ringAll()
}

/** What the store says of itself, its topics and partitions was read by `read`: if it cannot be, the store is damaged. */
function readable<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof AldebaranError) throw error
    throw new AldebaranError('STORE_DAMAGED', `${file} is damaged: ${messageOf(error)}`, { file }, error)
  }
}

async function serveUntilClosed(
  server: Server,
  engine: LogEngine,
  ownership: Ownership,
  store: LmdbStore,
  port: Port,
  control: Int32Array,
  clock: Clock,
): Promise<void> {
  const bell = new Bell(control, CONTROL_BELL)
  let messages = 0
  let beatAt = clock.monotonic()
  let checkedAt = beatAt
  let turnedAt = beatAt
  for (;;) {
    const closing = Atomics.load(control, CONTROL_STATE) === CLOSING
    if (Atomics.load(control, CONTROL_MESSAGES) !== messages) {
      server.forgetClosed()
      messages = addClients(server, port, control)
    }
    const served = server.serve()
    if (clock.monotonic() - turnedAt >= TURN_MS) {
      await setImmediate()
      turnedAt = clock.monotonic()
    }
    if (clock.monotonic() - beatAt >= HEARTBEAT_MS) {
      beatAt = clock.monotonic()
      tolerateFullDisk(() => ownership.beat())
      store.forgetDeadReaders()
    }
    if (clock.monotonic() - checkedAt >= FILE_CHECK_MS) {
      checkedAt = clock.monotonic()
      store.checkFile()
    }
    const more = engine.maintenanceDue() === 0 && tolerateFullDisk(() => engine.maintain())
    if (served) continue
    if (closing) return
    if (!more) bell.wait(Math.max(SHORTEST_SLEEP_MS, Math.min(engine.maintenanceDue(), HEARTBEAT_MS)))
  }
}

/** Lets this process open the store again, if the store still takes that. What is thrown is the first error. */
function releaseAfter(error: unknown, ownership: Ownership): void {
  try {
    ownership.release()
  } catch (second) {
    if (error instanceof Error) error.cause ??= second
  }
}

/** What is done beside the commits is done again later when the disk has no room for it. */
function tolerateFullDisk(work: () => unknown): boolean {
  try {
    return work() === true
  } catch (error) {
    if (error instanceof AldebaranError && error.code === 'DISK_FULL') return false
    throw error
  }
}

function addClients(server: Server, port: Port, control: Int32Array): number {
  const messages = Atomics.load(control, CONTROL_MESSAGES)
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
    const { number, mailbox } = got.message as NewClient
    server.add(number, mailbox)
  }
  return messages
}

async function follow(data: LogThreadData, port: Port, store: LmdbStore, control: Int32Array): Promise<void> {
  const format = parse<{ format: number }>(store.get(FORMAT_KEY))
  if (format === null) throw noStore(data.file)
  checkFormat(format.format)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const server = new Server(null)
  const follower = new Follower(
    store,
    data.file,
    new EndsTable(data.ends),
    (low, high) => server.ringAll(low, high),
    reject,
  )
  port.on('message', (client: NewClient | null) => {
    server.forgetClosed()
    if (client === null) resolve()
    else server.add(client.number, client.mailbox)
  })
  port.postMessage({ kind: 'ready' })
  try {
    await promise
  } finally {
    follower.close()
    Atomics.store(control, CONTROL_STATE, STOPPED)
    server.ringAll()
  }
}

function noStore(file: string): AldebaranError {
  return new AldebaranError('STORE_FOREIGN', `${file} is an LMDB file of another program`, { file })
}

const data = workerData as LogThreadData | null
if (parentPort !== null && data?.kind === 'aldebaran-log') void runThread(data, parentPort)
