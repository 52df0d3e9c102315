/**
 * The sending half of a thread's client: hands units over to the thread that commits, through shared memory, and tells
 * their outcomes. The client of either engine has one, or is one; only who commits differs.
 */
import { AldebaranError, type ErrorCode } from '../errors.ts'
import { Bell, ring } from './bell.ts'
import type { CommitResult, CommitUnit } from './contract.ts'
import { CONTROL_BELL, CONTROL_STATE } from './ends.ts'
import {
  ANSWERED,
  Arena,
  BELL,
  CLOSED,
  type MailboxBuffers,
  RING,
  SLOT_HEADER,
  Slots,
  STATE,
  SUBMITTED,
  setSlot,
  slotBytes,
  slotOf,
} from './mailbox.ts'
import { encodeUnit, unitBytes } from './unit-codec.ts'

/** Kinds of requests. */
export const UNIT = 0
export const CREATE_TOPIC = 1
export const DELETE_TOPIC = 2

/** States of the log thread, in shared memory. */
export const RUNNING = 0
export const CLOSING = 1
export const STOPPED = 2
export const DONE = 3

/** How often a client that waits looks whether the log thread is still there, though it would be told. */
export const CHECK_MS = 1000

export type Done = (error: Error | null, result: CommitResult | null) => void

interface Pending {
  kind: number
  done: Done
  slot: number
  bytes: number
}

interface Unsent {
  kind: number
  done: Done
  /** The request as it will be in its slot. */
  bytes: Buffer
}

export class UnitSender {
  readonly #words: Int32Array
  readonly #control: Int32Array
  readonly #slots: Slots
  readonly #readOnly: boolean
  readonly #bell: Bell
  /** The event loop looks at the same bell with eyes of its own. */
  readonly #loopBell: Bell
  /** Submitted and not answered, the oldest first. */
  #pending: Pending[] = []
  #unsent: Unsent[] = []
  /** Units that were refused here, to be told from `pump`. */
  #refused: { done: Done; error: Error }[] = []
  #submitted = 0
  #delivered = 0
  #told = 0
  #looping = false
  #closed = false

  constructor(mailbox: MailboxBuffers, control: SharedArrayBuffer, readOnly: boolean) {
    this.#words = new Int32Array(mailbox.words)
    this.#control = new Int32Array(control)
    this.#slots = new Slots(new Arena(mailbox.arena))
    this.#readOnly = readOnly
    this.#bell = new Bell(this.#words, BELL)
    this.#loopBell = new Bell(this.#words, BELL)
  }

  submit(unit: CommitUnit, done: Done): void {
    const size = unitBytes(unit)
    const bytes = slotBytes(size, unit.appends?.length ?? 0)
    const slot = this.#room(bytes, done)
    if (slot === null) return
    if (slot >= 0) {
      this.#head(this.#slots.arena.bytes, slot, UNIT, size)
      encodeUnit(unit, this.#slots.arena.bytes, slot + SLOT_HEADER)
      this.#send(UNIT, slot, bytes, done)
    } else {
      const copy = Buffer.alloc(bytes)
      this.#head(copy, 0, UNIT, size)
      encodeUnit(unit, copy, SLOT_HEADER)
      this.#unsent.push({ kind: UNIT, done, bytes: copy })
    }
  }

  commit(unit: CommitUnit): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      this.submit(unit, (error, result) => (error === null ? resolve(result!) : reject(error)))
    })
  }

  pump(): void {
    const answered = Atomics.load(this.#words, ANSWERED)
    while (this.#delivered !== answered) this.#deliver()
    if (this.#pending.length + this.#unsent.length > 0 && this.#thread() >= STOPPED) this.#failAll()
    while (this.#unsent.length > 0 && this.#sendNext());
    while (this.#refused.length > 0) {
      const { done, error } = this.#refused.shift()!
      done(error, null)
    }
  }

  wait(ms: number): void {
    if (this.#refused.length === 0) this.#bell.wait(ms)
  }

  async changed(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#refused.length > 0 || signal?.aborted === true) return
    const rung = this.#bell.changed(ms)
    if (signal === undefined) return await rung
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    const abort = () => resolve()
    signal.addEventListener('abort', abort, { once: true })
    await Promise.race([rung, aborted])
    signal.removeEventListener('abort', abort)
  }

  wake(): void {
    ring(this.#words, BELL)
  }

  /** Waits for what is under way; nothing can be submitted any more. False: it was closed before. */
  async finish(): Promise<boolean> {
    if (this.#closed) return false
    for (this.pump(); this.#busy(); this.pump()) await this.#loopBell.changed(CHECK_MS)
    this.#closed = true
    Atomics.store(this.#words, STATE, CLOSED)
    ring(this.#words, BELL)
    ring(this.#control, CONTROL_BELL)
    return true
  }

  /** A request that is not a unit. */
  ask(kind: number, request: object): Promise<void> {
    const text = Buffer.from(JSON.stringify(request))
    return new Promise((resolve, reject) => {
      const done: Done = error => (error === null ? resolve() : reject(error))
      const bytes = slotBytes(text.length, 0)
      const slot = this.#room(bytes, done)
      if (slot === null) return
      const target = slot >= 0 ? this.#slots.arena.bytes : Buffer.alloc(bytes)
      const start = Math.max(0, slot)
      this.#head(target, start, kind, text.length)
      target.set(text, start + SLOT_HEADER)
      if (slot >= 0) this.#send(kind, slot, bytes, done)
      else this.#unsent.push({ kind, done, bytes: target })
    })
  }

  /** A slot; −1: there is none now; null: the request was refused. */
  #room(bytes: number, done: Done): number | null {
    const refusal = this.#refusal()
    if (refusal !== null) {
      this.#refused.push({ done, error: refusal })
      queueMicrotask(() => this.pump())
      return null
    }
    this.#loop()
    return this.#unsent.length > 0 || this.#pending.length === RING ? -1 : this.#slots.take(bytes)
  }

  #refusal(): AldebaranError | null {
    if (this.#closed) return new AldebaranError('LOG_CLOSED', 'The log was closed')
    if (this.#readOnly) return new AldebaranError('LOG_READ_ONLY', 'The log was opened for reading only')
    const state = this.#thread()
    if (state === RUNNING) return null
    return state === STOPPED
      ? new AldebaranError('LOG_STOPPED', 'The log thread ended with an error')
      : new AldebaranError('LOG_CLOSED', 'The log was closed')
  }

  #head(target: Buffer, start: number, kind: number, length: number): void {
    target.writeInt32LE(kind, start)
    target.writeInt32LE(this.#told, start + 4)
    target.writeInt32LE(length, start + 8)
  }

  #send(kind: number, slot: number, bytes: number, done: Done): void {
    setSlot(this.#words, this.#submitted, slot)
    this.#submitted = (this.#submitted + 1) | 0
    this.#pending.push({ kind, done, slot, bytes })
    Atomics.store(this.#words, SUBMITTED, this.#submitted)
    ring(this.#control, CONTROL_BELL)
  }

  #sendNext(): boolean {
    const { kind, bytes, done } = this.#unsent[0]!
    if (this.#pending.length === RING) return false
    const slot = this.#slots.take(bytes.length)
    if (slot < 0) return this.#tooLarge()
    this.#slots.arena.bytes.set(bytes, slot)
    this.#unsent.shift()
    this.#send(kind, slot, bytes.length, done)
    return true
  }

  /** The arena is full: others will be answered and leave room, unless nothing else is there. Fails the rest with it. */
  #tooLarge(): boolean {
    if (this.#pending.length > 0) return false
    let error = new AldebaranError('BATCH_TOO_LARGE', 'The unit is too large to be handed over')
    for (const { done } of this.#unsent) {
      this.#refused.push({ done, error })
      error = new AldebaranError('LOG_STOPPED', 'An earlier unit of this client failed, so this one was not tried')
    }
    this.#unsent = []
    return true
  }

  #deliver(): void {
    const { kind, done, slot, bytes } = this.#pending.shift()!
    const arena = this.#slots.arena.bytes
    const start = slotOf(this.#words, this.#delivered)
    const failed = arena.readInt32LE(start) !== 0
    const count = arena.readInt32LE(start + 4)
    const error = failed ? decodeError(arena.toString('utf8', start + SLOT_HEADER, start + SLOT_HEADER + count)) : null
    const offsets: number[] = []
    for (let i = 0; !failed && i < count; i++) offsets.push(arena.readDoubleLE(start + SLOT_HEADER + i * 8))
    this.#delivered = (this.#delivered + 1) | 0
    this.#slots.give(slot, bytes)
    if (kind === UNIT && error !== null && error.code !== 'LOG_STOPPED') this.#told++
    if (error === null) done(null, { offsets })
    else done(error, null)
  }

  #failAll(): void {
    // Answered for the last time before the thread stopped: nothing is answered after it.
    const answered = Atomics.load(this.#words, ANSWERED)
    while (this.#delivered !== answered) this.#deliver()
    const lost = [...this.#pending, ...this.#unsent]
    this.#pending = []
    this.#unsent = []
    this.#told++
    for (const { done } of lost) {
      done(
        new AldebaranError('LOG_STOPPED', 'The log thread ended before it answered; the unit may be committed'),
        null,
      )
    }
  }

  #busy(): boolean {
    return this.#pending.length + this.#unsent.length + this.#refused.length > 0
  }

  #thread(): number {
    return Atomics.load(this.#control, CONTROL_STATE)
  }

  /** Pumps from the event loop while something is on its way. In a thread that never returns to it, this sleeps. */
  #loop(): void {
    if (this.#looping) return
    this.#looping = true
    void this.#pumpUntilIdle()
  }

  async #pumpUntilIdle(): Promise<void> {
    do {
      await this.#loopBell.changed(CHECK_MS)
      this.pump()
    } while (this.#busy())
    this.#looping = false
  }
}

function decodeError(text: string): AldebaranError {
  const { code, message, details } = JSON.parse(text) as {
    code: ErrorCode
    message: string
    details: Record<string, string | number | boolean | null>
  }
  return new AldebaranError(code, message, details)
}
