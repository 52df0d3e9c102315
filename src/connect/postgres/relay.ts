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
import type { Alarm } from '../../time/alarm.ts'
import { PostgresConnection } from './connection.ts'
import type { PostgresAddress } from './connection-url.ts'
import type { OutboxRecord, OutboxRow } from './outbox-record.ts'
import type { OutboxStatements } from './outbox-statements.ts'
import { SessionKeeper } from './session-keeper.ts'

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

const LONGEST_PAUSE_MS = 15_000
/** A unit of the log, and all that a transaction should hold; bytes. */
const UNIT_BYTES = 2 ** 20
const BATCH_BYTES = 2 ** 24
/** The first transaction takes so many rows, while it is not known how large they are. */
const FIRST_ROWS = 50
const UNDEFINED_TABLE = '42P01'
const LONGEST_ERROR = 2000

export class OutboxRelay implements StartedSource {
  readonly #plan: RelayPlan
  readonly #running: Running
  readonly #keeper: SessionKeeper
  #connection: PostgresConnection | null = null
  #rows: number

  constructor(plan: RelayPlan, running: Running, report: Report) {
    this.#plan = plan
    this.#running = running
    this.#rows = Math.min(plan.batch, FIRST_ROWS)
    this.#keeper = new SessionKeeper(
      {
        kind: 'source',
        name: plan.name,
        table: plan.table,
        database: plan.address.label,
        messages: {
          running: 'the source takes rows in',
          standby: 'the source stands by: another one has its lock',
        },
        longestPauseMs: LONGEST_PAUSE_MS,
        serve: alarm => this.#serve(alarm),
        cut: () => this.#connection?.destroy(),
      },
      report,
    )
    this.#keeper.start()
  }

  state(): SourceState {
    return this.#keeper.state(this.#running.clock.now())
  }

  stop(): Promise<void> {
    return this.#keeper.stop()
  }

  /** Returns when it is to stop. */
  async #serve(alarm: Alarm): Promise<void> {
    const keeper = this.#keeper
    const { address, name, pollMs } = this.#plan
    const application = `aldebaran ${this.#running.application.name} ${name}`
    const connection = await PostgresConnection.open(address, application, () => alarm.ring())
    this.#connection = connection
    try {
      await this.#prepare(connection)
      while (!keeper.isStopping && !(await this.#lock(connection))) await alarm.wait(pollMs)
      const producer = new Producer(this.#running.log, this.#running.clock)
      while (!keeper.isStopping) {
        const isMore = await this.#batch(connection, producer)
        keeper.succeed('running')
        if (!isMore && !keeper.isStopping) await alarm.wait(pollMs)
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
    this.#keeper.done.oldestAt = null
    this.#keeper.succeed('standby')
    return false
  }

  /** True: there may be more at once. */
  async #batch(connection: PostgresConnection, producer: Producer): Promise<boolean> {
    const { statements, sequence, time } = this.#plan
    const { done } = this.#keeper
    const wanted = this.#rows
    await connection.query(statements.begin)
    const { rows } = await connection.query<OutboxRow>(statements.select, [wanted])
    const oldest = rows[0]?.[time]
    done.oldestAt = oldest instanceof Date ? oldest.getTime() : null
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
    done.records += rows.length - bad
    done.rejected += bad
    if (rows.length > bad) done.newestAt = this.#running.clock.now()
    done.oldestAt = null
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
