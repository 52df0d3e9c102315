/**
 * Who writes to a store: one process at a time. The owner is a row of the store, changed in a write transaction, which
 * LMDB gives to one process at a time.
 *
 *     none ── claim ──► owned ── release ──► none
 *                        └── its process is gone: claim ──► owned by another
 *
 * A process of this host is gone when no process has its id, or one that was started at another time. Of another host
 * (a volume that went to another container), and of a thread of this very process, only the heartbeat tells: gone when
 * it is older than STALE_MS.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { AldebaranError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'
import { FORMAT_KEY, OWNER_KEY } from './keys.ts'
import type { LmdbStore } from './lmdb-store.ts'

export const FORMAT = 1
export const HEARTBEAT_MS = 5000
const STALE_MS = 15_000

interface Owner {
  /** Of this opening. */
  token: string
  pid: number
  /** When the process was started, as the system counts it; null where it does not tell. */
  process: string | null
  host: string
  startedAt: number
  aliveAt: number
}

export class Ownership {
  readonly #store: LmdbStore
  readonly #clock: Clock
  readonly #owner: Owner

  /** Claims the store. Throws STORE_LOCKED, STORE_FOREIGN and STORE_NEWER. */
  constructor(store: LmdbStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
    const now = clock.now()
    const { pid } = process
    this.#owner = {
      token: randomUUID(),
      pid,
      process: processStart(pid),
      host: hostname(),
      startedAt: now,
      aliveAt: now,
    }
    store.exclusive(() => {
      const format = parse<{ format: number }>(store.current(FORMAT_KEY))
      if (format !== null) checkFormat(format.format)
      const before = parse<Owner>(store.current(OWNER_KEY))
      if (before !== null && isAlive(before, now)) throw locked(before)
      if (format === null) store.write(FORMAT_KEY, encode({ format: FORMAT }))
      store.write(OWNER_KEY, encode(this.#owner))
    })
  }

  /** Tells that this process is alive. Throws STORE_LOCKED when another one has taken the store over. */
  beat(): void {
    this.#owner.aliveAt = this.#clock.now()
    this.#store.exclusive(() => {
      const now = parse<Owner>(this.#store.current(OWNER_KEY))
      if (now === null || now.token !== this.#owner.token) throw locked(now ?? this.#owner)
      this.#store.write(OWNER_KEY, encode(this.#owner))
    })
  }

  release(): void {
    this.#store.exclusive(() => {
      const now = parse<Owner>(this.#store.current(OWNER_KEY))
      if (now !== null && now.token === this.#owner.token) this.#store.write(OWNER_KEY, null)
    })
  }
}

/** Checks the format of a store; an empty one has none yet. */
export function checkFormat(format: number | undefined): void {
  if (format === undefined || format === FORMAT) return
  throw new AldebaranError('STORE_NEWER', `The store has format ${format}; this version knows ${FORMAT}`, { format })
}

export function parse<T>(bytes: Buffer | undefined): T | null {
  return bytes === undefined ? null : (JSON.parse(bytes.toString('utf8', 0, bytes.length)) as T)
}

function encode(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function isAlive(owner: Owner, now: number): boolean {
  const fresh = Math.abs(now - owner.aliveAt) < STALE_MS
  if (owner.host !== hostname()) return fresh
  if (!processExists(owner.pid)) return false
  const start = processStart(owner.pid)
  if (start !== owner.process) return start === null || owner.process === null ? fresh : false
  return owner.pid === process.pid || start === null ? fresh : true
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Field 22 of /proc/PID/stat: clock ticks since the system started. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

function locked(owner: Owner): AldebaranError {
  return new AldebaranError('STORE_LOCKED', `The store is open in process ${owner.pid} on ${owner.host}`, {
    pid: owner.pid,
    host: owner.host,
  })
}
