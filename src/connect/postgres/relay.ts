/**
 * Takes the rows of an outbox to a topic.
 *
 *      connect ─► check ─► lock ─► batch ─► wait for NOTIFY, or a second ─┐
 *         ▲                 │ held by another: standby    ▲               │
 *         │ any failure     └── again after a second      └───────────────┘
 *         └── the connection is given up, and after a pause made anew
 *
 * 1. A row is deleted in a transaction that commits only after its record is durable in the log, or after the row lies
 *    in the table of rejected rows. So it is never lost; its record is written again if the transaction fails.
 * 2. Rows are deleted, and nothing remembers how far it came: gaps in the sequence and transactions that commit late
 *    change nothing.
 * 3. Rows are taken under an advisory lock of the connection that deletes them: who loses the lock deletes nothing.
 * 4. A failure has one way out: the connection is closed, which undoes the transaction and gives up the lock.
 */

import { AldebaranError, messageOf } from '../../errors.ts'
import type { AnyTopic } from '../../pipeline/topic.ts'
import { Producer } from '../../runtime/producer.ts'
import type { StartedSource } from '../../runtime/source.ts'
import type { SourceState } from '../../runtime/source-state.ts'
import type { Running } from '../../runtime/start.ts'
import type { Report } from '../../runtime/worker-host.ts'
import { Alarm } from './alarm.ts'
import { PostgresConnection } from './connection.ts'
import type { PostgresAddress } from './connection-url.ts'
import type { OutboxRecord, OutboxRow } from './outbox-record.ts'
import type { OutboxStatements } from './outbox-statements.ts'

export interface RelayPlan {
  readonly name: string
  readonly table: string
  readonly sequence: string
  readonly time: string
  readonly setup: string
  readonly address: PostgresAddress
  readonly statements: OutboxStatements
  readonly batch: number
  readonly pollMs: number
  readonly topic: AnyTopic
  readonly make: (row: OutboxRow, running: Running) => Promise<OutboxRecord<unknown, unknown>>
}

interface Rejected {
  readonly seqs: unknown[]
  readonly codes: string[]
  readonly errors: string[]
}

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 15_000
/** A unit of the log, and all that a transaction should hold; bytes. */
const UNIT_BYTES = 2 ** 20
const BATCH_BYTES = 2 ** 24
/** The first transaction takes so many rows, while it is not known how large they are. */
const FIRST_ROWS = 50
/** What is under way gets so long to end, and then to be cut off; ms. */
const STOP_MS = 5000
const UNDEFINED_TABLE = '42P01'
const LONGEST_ERROR = 2000

export class OutboxRelay implements StartedSource {
  readonly #plan: RelayPlan
  readonly #running: Running
  readonly #report: Report
  readonly #ended: Promise<void>
  /** Rung by what comes from the connection, and by `stop`. */
  #alarm = new Alarm()
  #connection: PostgresConnection | null = null
  #isStopping = false
  #failures = 0
  #status: SourceState['status'] = 'waiting'
  #problem: AldebaranError | null = null
  #records = 0
  #rejected = 0
  #newestAt: number | null = null
  /** Of the first row that is not deleted yet, ms since 1970; null: there is none, or its time is not known. */
  #oldestAt: number | null = null
  #rows: number

  constructor(plan: RelayPlan, running: Running, report: Report) {
    this.#plan = plan
    this.#running = running
    this.#report = report
    this.#rows = Math.min(plan.batch, FIRST_ROWS)
    this.#ended = this.#run()
  }

  state(): SourceState {
    const { message, code, remedy } = this.#problem ?? {}
    const age = this.#oldestAt === null ? null : Math.max(0, this.#running.clock.now() - this.#oldestAt)
    return {
      status: this.#status,
      problem: message === undefined ? null : { code: code ?? null, message, remedy: remedy ?? null },
      records: this.#records,
      rejected: this.#rejected,
      newestAt: this.#newestAt,
      oldestAgeMs: this.#status === 'running' ? (age ?? 0) : age,
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#alarm.ring()
    const cut = setTimeout(() => this.#connection?.destroy(), STOP_MS)
    // A log that does not answer ends what waits for it when it is closed, which comes after this.
    const givenUp = Promise.withResolvers<void>()
    const giveUp = setTimeout(givenUp.resolve, 2 * STOP_MS)
    await Promise.race([this.#ended, givenUp.promise])
    clearTimeout(cut)
    clearTimeout(giveUp)
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#session()
      } catch (error) {
        if (this.#isStopping) return
        // What rings from now on is not of the connection that was lost.
        this.#alarm = new Alarm()
        this.#fail(error)
        const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++)
        await this.#alarm.wait(pause * (0.75 + Math.random() / 2))
      }
    }
  }

  /** Returns when it is to stop. */
  async #session(): Promise<void> {
    const { address, name, pollMs } = this.#plan
    const alarm = this.#alarm
    const application = `aldebaran ${this.#running.application.name} ${name}`
    const connection = await PostgresConnection.open(address, application, () => alarm.ring())
    this.#connection = connection
    try {
      await this.#prepare(connection)
      while (!this.#isStopping && !(await this.#lock(connection))) await alarm.wait(pollMs)
      const producer = new Producer(this.#running.log, this.#running.clock)
      while (!this.#isStopping) {
        const isMore = await this.#batch(connection, producer)
        this.#succeed('running')
        if (!isMore && !this.#isStopping) await alarm.wait(pollMs)
      }
    } finally {
      this.#connection = null
      await connection.close()
    }
  }

  /** @throws AldebaranError POSTGRES_REFUSED a table, a column or a right is missing */
  async #prepare(connection: PostgresConnection): Promise<void> {
    const { statements, setup } = this.#plan
    await connection.query(statements.session)
    try {
      for (const statement of statements.checks) await connection.query(statement)
    } catch (error) {
      if (!(error instanceof AldebaranError) || error.details.state !== UNDEFINED_TABLE) throw error
      throw new AldebaranError(error.code, `${error.message}: ${setup}`, error.details)
    }
    await connection.query(statements.listen)
  }

  async #lock(connection: PostgresConnection): Promise<boolean> {
    const { lock, lockValues } = this.#plan.statements
    const { rows } = await connection.query<{ held: boolean | null }>(lock, lockValues)
    if (rows[0]?.held === true) return true
    this.#oldestAt = null
    this.#succeed('standby')
    return false
  }

  /** True: there may be more at once. */
  async #batch(connection: PostgresConnection, producer: Producer): Promise<boolean> {
    const { statements, sequence, time } = this.#plan
    const wanted = this.#rows
    await connection.query(statements.begin)
    const { rows } = await connection.query<OutboxRow>(statements.select, [wanted])
    const oldest = rows[0]?.[time]
    this.#oldestAt = oldest instanceof Date ? oldest.getTime() : null
    if (rows.length === 0) {
      await connection.query(statements.commit)
      return false
    }
    const rejected = await this.#append(rows, producer)
    const bad = rejected.seqs.length
    if (bad > 0) {
      const { rowCount } = await connection.query(statements.reject, [rejected.seqs, rejected.codes, rejected.errors])
      this.#expect(bad, rowCount)
    }
    const deleted = await connection.query(statements.delete, [rows.map(row => row[sequence])])
    this.#expect(rows.length, deleted.rowCount)
    await connection.query(statements.commit)
    this.#records += rows.length - bad
    this.#rejected += bad
    if (rows.length > bad) this.#newestAt = this.#running.clock.now()
    this.#oldestAt = null
    return rows.length === wanted
  }

  /** Resolves when what could be made of the rows is durable, with those that nothing could be made of. */
  async #append(rows: readonly OutboxRow[], producer: Producer): Promise<Rejected> {
    const { make, topic, sequence } = this.#plan
    const made = await Promise.allSettled(rows.map(row => make(row, this.#running)))
    // Before anything is sent: what says that no row is at fault.
    for (const result of made) if (result.status === 'rejected') codeOf(result.reason)
    const rejected: Rejected = { seqs: [], codes: [], errors: [] }
    const flushes: Promise<unknown>[] = []
    let bytes = 0
    const flush = (): void => {
      if (producer.count === 0) return
      bytes += producer.bytes
      const flushed = producer.flush()
      // It is waited for below, if nothing throws before.
      flushed.catch(() => {})
      flushes.push(flushed)
    }
    for (const [index, result] of made.entries()) {
      try {
        if (result.status === 'rejected') throw result.reason
        const { key, value, ...options } = result.value
        producer.send(topic, key, value, options)
      } catch (error) {
        rejected.seqs.push(rows[index]![sequence])
        rejected.codes.push(codeOf(error))
        rejected.errors.push(messageOf(error).replaceAll('\0', '').slice(0, LONGEST_ERROR))
      }
      if (producer.bytes >= UNIT_BYTES) flush()
    }
    flush()
    await Promise.all(flushes)
    this.#rows = fitting(bytes / rows.length, this.#plan.batch, rows.length)
    return rejected
  }

  /** A row that stays, or one that goes unsent, would be told by the count; nothing is committed then. */
  #expect(wanted: number, got: number | null): void {
    if (got === wanted) return
    const { table, sequence } = this.#plan
    throw new AldebaranError(
      'POSTGRES_REFUSED',
      `of ${wanted} rows of ${table} PostgreSQL moved ${got}: column ${sequence} must be unique, and no rule or ` +
        'trigger may keep rows',
      { table },
    )
  }

  #succeed(status: 'running' | 'standby'): void {
    const { name, table } = this.#plan
    if (status !== this.#status) {
      const message =
        status === 'running' ? 'the source takes rows in' : 'the source stands by: another one has its lock'
      this.#report('info', message, { source: name, table })
    }
    this.#status = status
    this.#problem = null
    this.#failures = 0
  }

  #fail(error: unknown): void {
    const { name, table, address } = this.#plan
    const problem = error instanceof AldebaranError ? error : new AldebaranError('INTERNAL', messageOf(error))
    // It is told once: the state has it as long as it lasts.
    if (problem.message !== this.#problem?.message) {
      this.#report(problem.fate === 'retry' ? 'warn' : 'error', 'the source waits, and tries again', {
        source: name,
        table,
        database: address.label,
        code: problem.code,
        error: problem.message,
        remedy: problem.remedy,
      })
    }
    this.#status = 'waiting'
    this.#problem = problem
  }
}

/** @throws the error, if the row is not at fault */
function codeOf(error: unknown): string {
  if (!(error instanceof AldebaranError)) return 'HANDLER_THREW'
  if (error.fate !== 'terminal' || error.code === 'LOG_CLOSED') throw error
  return error.code
}

/** How many rows the next transaction takes: by their size, and not too many more than this one. */
function fitting(averageBytes: number, most: number, rows: number): number {
  const bySize = averageBytes === 0 ? most : Math.floor(BATCH_BYTES / averageBytes)
  return Math.max(1, Math.min(most, bySize, Math.max(FIRST_ROWS, 4 * rows)))
}
