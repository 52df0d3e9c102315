/** Opens a store: starts the log thread, and gives out clients and addresses. */
import { extname, join } from 'node:path'
import { type ResourceLimits, Worker } from 'node:worker_threads'
import { AldebaranError } from '../errors.ts'
import { ring } from './bell.ts'
import { connectLog, type EmbeddedAddress, type LogAddress } from './client.ts'
import type { Log } from './contract.ts'
import { CONTROL_BELL, CONTROL_MESSAGES, EndsTable, INTEREST_BITS, MAX_PARTITIONS } from './ends.ts'
import type { FromLogThread, LogThreadData, NewClient } from './log-thread.ts'
import { newMailbox } from './mailbox.ts'
import { prepareStore } from './store-file.ts'
import { errorOf } from './thread-failure.ts'
import { ThreadHost } from './thread-host.ts'

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
  /** Of its thread. Default: as Node has them. */
  limits?: ResourceLimits
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
  const thread = new Worker(url, { workerData: data, name: 'log', execArgv: [], resourceLimits: options.limits ?? {} })
  const host = new LogHost(thread, data)
  await host.ready
  return host
}

export class LogHost extends ThreadHost<FromLogThread> {
  readonly #data: LogThreadData

  constructor(thread: Worker, data: LogThreadData) {
    super(thread, data.ends.control, 'log thread')
    this.#data = data
  }

  /** An address for one client, in this or any other thread of the process. */
  address(): EmbeddedAddress {
    const mailbox = newMailbox()
    const number = this.admit(mailbox)
    this.thread.postMessage({ number, mailbox } satisfies NewClient)
    Atomics.add(this.control, CONTROL_MESSAGES, 1)
    ring(this.control, CONTROL_BELL)
    const { file, ends, durability, mapBytes, readOnly } = this.#data
    return { kind: 'embedded', file, ends, mailbox, client: number, durability, mapBytes, readOnly, transfer: [] }
  }

  /**
   * Gives an address back whose thread ended without closing its client. What it had submitted is committed; resolves
   * when all of that is answered, for only then does the log say where a successor has to start.
   */
  async release(address: LogAddress): Promise<void> {
    if (!(await this.closeMailbox(address.mailbox))) return
    if (address.kind !== 'embedded') return
    const ends = new EndsTable(this.#data.ends)
    for (let id = 0; id < MAX_PARTITIONS; id++) ends.removeInterest(id, Math.min(address.client, INTEREST_BITS - 1))
  }

  protected connect(): Log {
    return connectLog(this.address())
  }

  protected heard(failure: FromLogThread): AldebaranError {
    const { file } = this.#data
    return errorOf(failure) ?? storeError(failure.message, file)
  }

  protected closing(): void {
    if (this.#data.readOnly) this.thread.postMessage(null)
  }
}

/** The folder's data file, for tools that show its size. */
export function storeFile(path: string): string {
  return join(path, 'store.mdb')
}

function storeError(message: string, file: string): AldebaranError {
  if (/MDB_INVALID|MDB_CORRUPTED|MDB_VERSION_MISMATCH|MDB_PAGE_NOTFOUND/.test(message)) {
    return new AldebaranError('STORE_DAMAGED', `${file} is damaged: ${message}`, { file })
  }
  return new AldebaranError('LOG_STOPPED', `The log thread ended: ${message}`, { file })
}
