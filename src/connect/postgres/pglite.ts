/**
 * PostgreSQL within this process: PGlite, the server compiled to WebAssembly, in a thread and a folder of its own.
 *
 * 1. It has one session, which all who connect share: each transaction has it for itself from begin to end.
 * 2. A folder is open once: another opening, here or in another process, is refused. Two would damage it.
 * 3. It is opened with the first who connects, and closed with the last who leaves.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { AldebaranError } from '../../errors.ts'
import { type Database, type DatabaseSession, inTransaction, type QueryRows, type RunQuery } from './database.ts'
import { postgresError } from './postgres-error.ts'

/** `text` null: close. */
export interface PgliteRequest {
  id: number
  text: string | null
  values: readonly unknown[]
}

/** `id` 0: it is open, or could not be opened. */
export type PgliteAnswer =
  | { id: number; rows: object[]; rowCount: number | null }
  | { id: number; error: { message: string; code: string; routine: string } }

type Waiting = { resolve(rows: QueryRows<object>): void; reject(error: unknown): void }

/**
 * An embedded PostgreSQL, for those who want no server: hand the same one to all who use the folder. Nothing is opened
 * yet. What was committed survives the end of the process by any cause; it is not synced, so the loss of power may take
 * the last of it.
 */
export function pglite(folder: string): Database {
  return new Pglite(folder)
}

class Pglite implements Database {
  readonly label: string
  readonly #folder: string
  #opened: Promise<PgliteHost> | null = null
  #users = 0
  /** Ends when the last one that was let in has left. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(folder: string) {
    this.#folder = folder
    this.label = folder
  }

  async connect(_name: string, lost: () => void): Promise<DatabaseSession> {
    this.#users++
    let host: PgliteHost
    try {
      host = await this.#open()
    } catch (error) {
      this.#users--
      throw error
    }
    let isOpen = true
    const ask: RunQuery = async (text, values = []) => {
      if (!isOpen)
        throw new AldebaranError('POSTGRES_UNAVAILABLE', `PostgreSQL at ${this.label}: the session was closed`)
      return (await host.ask(text, values)) as QueryRows<never>
    }
    host.onLost.add(lost)
    return {
      query: (text, values) => this.#alone(() => ask(text, values)),
      transaction: work => this.#alone(() => inTransaction(ask, work)),
      // Its statements are not waited for over a network: they end by themselves.
      destroy: () => {},
      close: async () => {
        if (!isOpen) return
        await this.#alone(async () => {
          isOpen = false
        })
        host.onLost.delete(lost)
        this.#users--
        if (this.#users === 0) await host.close()
      },
    }
  }

  async #open(): Promise<PgliteHost> {
    for (let opened = this.#opened; opened !== null; opened = this.#opened) {
      const host = await opened
      if (!host.isGone) return host
      // One that is ending gives up its folder first.
      await host.ended
      if (this.#opened === opened) this.#opened = null
    }
    const opening = PgliteHost.open(this.#folder)
    this.#opened = opening
    opening.catch(() => {
      if (this.#opened === opening) this.#opened = null
    })
    return await opening
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }
}

/** The thread. */
class PgliteHost {
  readonly ended: Promise<void>
  readonly onLost = new Set<() => void>()
  isGone = false
  readonly #worker: Worker
  readonly #label: string
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #failure: unknown = null

  private constructor(worker: Worker, folder: string) {
    this.#worker = worker
    this.#label = folder
    worker.on('message', (answer: PgliteAnswer) => this.#take(answer))
    worker.on('error', error => {
      this.#failure = error
    })
    this.ended = new Promise(resolve => {
      worker.on('exit', () => {
        this.isGone = true
        unlock(folder)
        const error = this.#error(this.#failure ?? new Error('its thread ended'))
        for (const { reject } of this.#waiting.values()) reject(error)
        this.#waiting.clear()
        for (const lost of this.onLost) lost()
        resolve()
      })
    })
  }

  /** @throws AldebaranError STORE_LOCKED, PACKAGE_MISSING, POSTGRES_UNAVAILABLE */
  static async open(folder: string): Promise<PgliteHost> {
    checkPackage()
    mkdirSync(dirname(folder), { recursive: true })
    lock(folder)
    // The file beside this one, which ends as this one does: .ts here, .js in the package.
    const url = new URL(`./pglite-thread${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url)
    const host = new PgliteHost(new Worker(url, { name: 'pglite', workerData: { folder } }), folder)
    await new Promise<unknown>((resolve, reject) => host.#waiting.set(0, { resolve, reject }))
    return host
  }

  ask(text: string | null, values: readonly unknown[]): Promise<QueryRows<object>> {
    if (this.isGone) return Promise.reject(this.#error(this.#failure ?? new Error('its thread ended')))
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, text, values } satisfies PgliteRequest)
    })
  }

  async close(): Promise<void> {
    if (!this.isGone) {
      const closed = this.ask(null, [])
      this.isGone = true
      await closed.catch(() => {})
    }
    await this.ended
  }

  #take(answer: PgliteAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ('error' in answer) waiting?.reject(this.#error(answer.error))
    else waiting?.resolve(answer)
  }

  #error(error: unknown): AldebaranError {
    return postgresError(error, { label: this.#label, password: undefined })
  }
}

/** Of this process, so that one with its id that came later is another. */
const PROCESS = `${process.pid} ${performance.timeOrigin}`

function lockFile(folder: string): string {
  return `${folder.replace(/\/+$/, '')}.lock`
}

/** @throws AldebaranError STORE_LOCKED */
function lock(folder: string): void {
  const file = lockFile(folder)
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(file, PROCESS, { flag: 'wx' })
      return
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EEXIST') throw error
    }
    const owner = readOwner(file)
    if (tries > 0 || (owner !== null && isHeld(owner))) {
      throw new AldebaranError(
        'STORE_LOCKED',
        `the embedded PostgreSQL in ${folder} is open already, by process ${owner?.split(' ')[0] ?? '?'} (${file})`,
        { folder },
      )
    }
    rmSync(file, { force: true })
  }
}

function readOwner(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function isHeld(owner: string): boolean {
  const pid = Number(owner.split(' ')[0])
  if (pid === process.pid) return owner === PROCESS
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM'
  }
}

function unlock(folder: string): void {
  if (readOwner(lockFile(folder)) === PROCESS) rmSync(lockFile(folder), { force: true })
}

function checkPackage(): void {
  try {
    import.meta.resolve('@electric-sql/pglite')
  } catch {
    throw new AldebaranError(
      'PACKAGE_MISSING',
      'embedded PostgreSQL needs PGlite: npm install @electric-sql/pglite@0.5',
      { package: '@electric-sql/pglite' },
    )
  }
}
