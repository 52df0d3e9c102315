/**
 * The thread that commits (the log thread, or the network thread), as the thread that started it sees it.
 *
 * Invariants
 * 1. `stopped` resolves once, after the thread has ended, and every client has been woken by then.
 * 2. A number belongs to one client until its mailbox is closed.
 */
import type { Worker } from 'node:worker_threads'
import { AldebaranError } from '../errors.ts'
import { Bell, ring } from './bell.ts'
import type { Log } from './contract.ts'
import { CONTROL_BELL, CONTROL_STATE } from './ends.ts'
import { ANSWERED, BELL, CLOSED, type MailboxBuffers, STATE, SUBMITTED } from './mailbox.ts'
import { CHECK_MS, CLOSING, RUNNING, STOPPED } from './unit-sender.ts'

interface Client {
  readonly number: number
  readonly mailbox: MailboxBuffers
}

/** `Message`: what the thread tells, beside that it is ready. */
export abstract class ThreadHost<Message extends { kind: string }> {
  /** Resolves when the thread serves. */
  readonly ready: Promise<void>
  /** Resolves when the thread has ended: with null after `close`, with its error otherwise. */
  readonly stopped: Promise<AldebaranError | null>
  protected readonly thread: Worker
  protected readonly control: Int32Array
  #clients: Client[] = []
  readonly #own: Log[] = []
  #closed = false

  /** `name` stands in errors: 'log thread'. */
  constructor(thread: Worker, control: SharedArrayBuffer, name: string) {
    this.thread = thread
    this.control = new Int32Array(control)
    const ready = Promise.withResolvers<void>()
    const stopped = Promise.withResolvers<AldebaranError | null>()
    this.ready = ready.promise
    this.stopped = stopped.promise
    let failure: AldebaranError | null = null
    thread.on('message', (message: Message | { kind: 'ready' }) => {
      if (message.kind === 'ready') ready.resolve()
      else failure = this.heard(message as Message) ?? failure
    })
    thread.on('error', (error: Error) => {
      failure ??= new AldebaranError('LOG_STOPPED', `The ${name} ended: ${error.message}`, {}, error)
    })
    thread.on('exit', () => {
      if (!this.#closed) failure ??= new AldebaranError('LOG_STOPPED', `The ${name} ended`)
      Atomics.compareExchange(this.control, CONTROL_STATE, RUNNING, STOPPED)
      for (const client of this.#clients) ring(new Int32Array(client.mailbox.words), BELL)
      if (failure !== null) ready.reject(failure)
      stopped.resolve(failure)
    })
  }

  /** The thread tells something: the error that it ends with, or null. */
  protected abstract heard(message: Message): AldebaranError | null

  /** A client for this thread. It is closed with the host. */
  client(): Log {
    const log = this.connect()
    this.#own.push(log)
    return log
  }

  protected abstract connect(): Log

  /**
   * Counts a client in, and gives it the smallest number that is free.
   * @throws AldebaranError LOG_CLOSED
   */
  protected admit(mailbox: MailboxBuffers): number {
    if (this.#closed) throw new AldebaranError('LOG_CLOSED', 'The log was closed')
    this.#clients = this.#clients.filter(client => !isClosed(client.mailbox))
    const taken = new Set(this.#clients.map(client => client.number))
    let number = 0
    while (taken.has(number)) number++
    this.#clients.push({ number, mailbox })
    return number
  }

  /**
   * Closes the mailbox of a thread that ended without closing its client. Resolves when all it had submitted is answered,
   * for only then does the log say where a successor has to start. False: it was closed before.
   */
  protected async closeMailbox(mailbox: MailboxBuffers): Promise<boolean> {
    const words = new Int32Array(mailbox.words)
    const bell = new Bell(words, BELL)
    while (Atomics.load(words, SUBMITTED) !== Atomics.load(words, ANSWERED) && this.#serving()) {
      await bell.changed(CHECK_MS)
    }
    return Atomics.exchange(words, STATE, CLOSED) !== CLOSED
  }

  /** Commits what was submitted, closes the clients of this thread, and ends the thread. */
  async close(): Promise<void> {
    if (!this.#closed) {
      await Promise.all(this.#own.map(log => log.close()))
      this.#closed = true
      Atomics.compareExchange(this.control, CONTROL_STATE, RUNNING, CLOSING)
      ring(this.control, CONTROL_BELL)
      this.closing()
    }
    await this.stopped
  }

  /** What else has to be done when it is closed. */
  protected abstract closing(): void

  #serving(): boolean {
    return Atomics.load(this.control, CONTROL_STATE) < STOPPED
  }
}

function isClosed(mailbox: MailboxBuffers): boolean {
  return Atomics.load(new Int32Array(mailbox.words), STATE) === CLOSED
}
