/**
 * A thread's access to a log, of either engine; and that of the embedded one, whose engine runs in the log thread. It reads the store by itself, and hands units over
 * through its mailbox.
 */
import type { MessagePort } from 'node:worker_threads'
import { AldebaranError } from '../errors.ts'
import { ring } from './bell.ts'
import type { CommitResult, CommitUnit, Log, TopicOptions } from './contract.ts'
import { type EndsBuffers, EndsTable } from './ends.ts'
import { type KafkaAddress, KafkaClient } from './kafka/client.ts'
import { LmdbStore } from './lmdb-store.ts'
import { BELL, CONNECTED, type MailboxBuffers, NEW, STATE } from './mailbox.ts'
import { CREATE_TOPIC, DELETE_TOPIC, type Done, UnitSender } from './unit-sender.ts'
import { LogView } from './view.ts'

/** What a thread needs to connect to a log. It can be cloned, so it may be sent as `workerData`; for one client. */
export type LogAddress = EmbeddedAddress | KafkaAddress

export interface EmbeddedAddress {
  readonly kind: 'embedded'
  readonly file: string
  readonly ends: EndsBuffers
  readonly mailbox: MailboxBuffers
  readonly client: number
  readonly durability: 'process' | 'disk'
  readonly mapBytes: number
  readonly readOnly: boolean
  /** Goes into the transfer list of the message that carries the address. Nothing has to, for now. */
  readonly transfer: readonly MessagePort[]
}

/** Connects this thread to the log. An address is for one client: a second one throws OPTION_INVALID. */
export function connectLog(address: LogAddress): Log {
  const words = new Int32Array(address.mailbox.words)
  if (Atomics.compareExchange(words, STATE, NEW, CONNECTED) !== NEW) {
    throw new AldebaranError('OPTION_INVALID', 'This log address was used before: ask the host for another')
  }
  return address.kind === 'kafka' ? new KafkaClient(address) : new ThreadClient(address)
}

/** Wakes the client of that address from its `wait` or `changed`; from any thread. */
export function wakeClient(address: LogAddress): void {
  ring(new Int32Array(address.mailbox.words), BELL)
}

class ThreadClient extends LogView implements Log {
  readonly #sender: UnitSender

  constructor(address: EmbeddedAddress) {
    const { file, durability, mapBytes, mailbox, ends, client, readOnly } = address
    const store = new LmdbStore({ file, durability, mapBytes, readOnly: true })
    super(store, new EndsTable(ends), client, { denseOffsets: true, tables: true, durability, fencing: 'none' })
    this.#sender = new UnitSender(mailbox, ends.control, readOnly)
  }

  createTopic(name: string, options: TopicOptions): Promise<void> {
    return this.#sender.ask(CREATE_TOPIC, { name, options })
  }

  deleteTopic(name: string): Promise<void> {
    return this.#sender.ask(DELETE_TOPIC, { name })
  }

  submit(unit: CommitUnit, done: Done): void {
    this.#sender.submit(unit, done)
  }

  commit(unit: CommitUnit): Promise<CommitResult> {
    return this.#sender.commit(unit)
  }

  pump(): void {
    this.#sender.pump()
  }

  wait(ms: number): void {
    this.#sender.wait(ms)
  }

  changed(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#sender.changed(ms, signal)
  }

  wake(): void {
    this.#sender.wake()
  }

  async close(): Promise<void> {
    if (!(await this.#sender.finish())) return
    this.closeView()
    await this.store.close()
  }
}
