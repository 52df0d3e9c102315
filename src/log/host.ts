/** Opens a store: starts the log thread, and gives out clients and addresses. */
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { AldebaranError, ERROR_CODES, type ErrorCode } from '../errors.ts'
import { Bell, ring } from './bell.ts'
import { connectLog, type EmbeddedAddress, type LogAddress } from './client.ts'
import type { Log } from './contract.ts'
import { CONTROL_BELL, CONTROL_MESSAGES, CONTROL_STATE, EndsTable, INTEREST_BITS, MAX_PARTITIONS } from './ends.ts'
import type { FromLogThread, LogThreadData, NewClient } from './log-thread.ts'
import { ANSWERED, BELL, CLOSED, type MailboxBuffers, newMailbox, STATE, SUBMITTED } from './mailbox.ts'
import { prepareStore } from './store-file.ts'
import { CHECK_MS, CLOSING, RUNNING, STOPPED } from './unit-sender.ts'

export interface OpenOptions {
  /** Folder of the store; made when it is not there. */
  path: string
  /**
   * What a commit survives once it was told: 'disk' a power cut, 'process' the end of the process. With 'process' a
   * power cut may also damage the store. Default: 'disk'.
   */
  durability?: 'disk' | 'process'
  /** Bytes that the store may use. Default: 10 GB. */
  maxBytes?: number
  /** Reads a store that another process may be writing. Default: false. */
  readOnly?: boolean
}

const DEFAULT_MAX_BYTES = 10 * 1024 ** 3
const SMALLEST_MAX_BYTES = 1024 * 1024
/** Address space beyond the budget: for pages that are free and scattered. */
const MAP_SLACK = 64 * 1024 * 1024

/**
 * Opens the log in a folder.
 * @throws AldebaranError STORE_LOCKED, STORE_FOREIGN, STORE_NEWER, STORE_DAMAGED, STORE_UNWRITABLE, OPTION_INVALID.
 */
export async function openLog(options: OpenOptions): Promise<LogHost> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
  if (!Number.isSafeInteger(maxBytes) || maxBytes < SMALLEST_MAX_BYTES) {
    throw new AldebaranError('OPTION_INVALID', `maxBytes is a whole number from ${SMALLEST_MAX_BYTES}, not ${maxBytes}`)
  }
  const readOnly = options.readOnly === true
  const data: LogThreadData = {
    kind: 'aldebaran-log',
    file: prepareStore(options.path, readOnly),
    ends: new EndsTable().buffers,
    durability: options.durability ?? 'disk',
    maxBytes,
    mapBytes: maxBytes * 2 + MAP_SLACK,
    readOnly,
  }
  const url = new URL(`./log-thread${extname(import.meta.url)}`, import.meta.url)
  // The flags of the process are not for it: with some of them, as --input-type, it would not start.
  const thread = new Worker(url, { workerData: data, name: 'log', execArgv: [] })
  const host = new LogHost(thread, data)
  await host.ready
  return host
}

interface Client {
  number: number
  mailbox: MailboxBuffers
}

export class LogHost {
  /** Resolves when the log thread serves. */
  readonly ready: Promise<void>
  /** Resolves when the log thread has ended: with null after `close`, with its error otherwise. */
  readonly stopped: Promise<AldebaranError | null>
  readonly #thread: Worker
  readonly #data: LogThreadData
  readonly #control: Int32Array
  #clients: Client[] = []
  #own: Log[] = []
  #closed = false

  constructor(thread: Worker, data: LogThreadData) {
    this.#thread = thread
    this.#data = data
    this.#control = new Int32Array(data.ends.control)
    const ready = Promise.withResolvers<void>()
    const stopped = Promise.withResolvers<AldebaranError | null>()
    this.ready = ready.promise
    this.stopped = stopped.promise
    let failure: AldebaranError | null = null
    thread.on('message', (message: FromLogThread) => {
      if (message.kind === 'ready') ready.resolve()
      else failure = errorOf(message, data.file)
    })
    thread.on('error', error => {
      failure ??= new AldebaranError('LOG_STOPPED', `The log thread ended: ${(error as Error).message}`, {}, error)
    })
    thread.on('exit', () => {
      if (!this.#closed) failure ??= new AldebaranError('LOG_STOPPED', 'The log thread ended')
      Atomics.compareExchange(this.#control, CONTROL_STATE, RUNNING, STOPPED)
      for (const client of this.#clients) ring(new Int32Array(client.mailbox.words), BELL)
      if (failure !== null) ready.reject(failure)
      stopped.resolve(failure)
    })
  }

  /** A client for this thread. It is closed with the host. */
  client(): Log {
    const log = connectLog(this.address())
    this.#own.push(log)
    return log
  }

  /** An address for one client, in this or any other thread of the process. */
  address(): EmbeddedAddress {
    if (this.#closed) throw new AldebaranError('LOG_CLOSED', 'The log was closed')
    this.#clients = this.#clients.filter(client => !isClosed(client.mailbox))
    const taken = new Set(this.#clients.map(client => client.number))
    let number = 0
    while (taken.has(number)) number++
    const mailbox = newMailbox()
    this.#clients.push({ number, mailbox })
    this.#thread.postMessage({ number, mailbox } satisfies NewClient)
    Atomics.add(this.#control, CONTROL_MESSAGES, 1)
    ring(this.#control, CONTROL_BELL)
    const { file, ends, durability, mapBytes, readOnly } = this.#data
    return { kind: 'embedded', file, ends, mailbox, client: number, durability, mapBytes, readOnly, transfer: [] }
  }

  /**
   * Gives an address back whose thread ended without closing its client. What it had submitted is committed; resolves
   * when all of that is answered, for only then does the log say where a successor has to start.
   */
  async release(address: LogAddress): Promise<void> {
    const words = new Int32Array(address.mailbox.words)
    const bell = new Bell(words, BELL)
    while (Atomics.load(words, SUBMITTED) !== Atomics.load(words, ANSWERED) && this.#serving()) {
      await bell.changed(CHECK_MS)
    }
    if (Atomics.exchange(words, STATE, CLOSED) === CLOSED) return
    if (address.kind !== 'embedded') return
    const ends = new EndsTable(this.#data.ends)
    for (let id = 0; id < MAX_PARTITIONS; id++) ends.removeInterest(id, Math.min(address.client, INTEREST_BITS - 1))
  }

  /** Commits what was submitted, closes the clients of this thread, and ends the log thread. */
  async close(): Promise<void> {
    if (!this.#closed) {
      await Promise.all(this.#own.map(log => log.close()))
      this.#closed = true
      Atomics.compareExchange(this.#control, CONTROL_STATE, RUNNING, CLOSING)
      ring(this.#control, CONTROL_BELL)
      if (this.#data.readOnly) this.#thread.postMessage(null)
    }
    await this.stopped
  }

  #serving(): boolean {
    return Atomics.load(this.#control, CONTROL_STATE) < STOPPED
  }
}

/** The folder's data file, for tools that show its size. */
export function storeFile(path: string): string {
  return join(path, 'store.mdb')
}

function isClosed(mailbox: MailboxBuffers): boolean {
  return Atomics.load(new Int32Array(mailbox.words), STATE) === CLOSED
}

function errorOf(message: Extract<FromLogThread, { kind: 'failed' }>, file: string): AldebaranError {
  const code = message.code !== null && message.code in ERROR_CODES ? (message.code as ErrorCode) : null
  if (code !== null) return new AldebaranError(code, message.message, message.details)
  if (/MDB_INVALID|MDB_CORRUPTED|MDB_VERSION_MISMATCH|MDB_PAGE_NOTFOUND/.test(message.message)) {
    return new AldebaranError('STORE_DAMAGED', `${file} is damaged: ${message.message}`, { file })
  }
  return new AldebaranError('LOG_STOPPED', `The log thread ended: ${message.message}`, { file })
}
