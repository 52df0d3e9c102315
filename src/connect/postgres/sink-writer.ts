/**
 * Takes the records of a topic to a table.
 *
 *      connect ─► lock ─► set up, positions ─► fill ─► write ─► wait for records, or the time of a batch ─┐
 *         ▲        │ held by another: standby   ▲                                                         │
 *         │ any failure    └── again later      └─────────────────────────────────────────────────────────┘
 *         └── the session and all that was read is given up, and after a pause begun anew
 *
 * 1. Rows and the position behind their records are committed in one transaction, which moves the position from where
 *    the rows began, or does nothing: of two that write the same records, one fails.
 * 2. Where to read from is what the database says, at each session: whether a commit whose answer was lost took place
 *    needs no guess, and a database that lost its last transactions gets them again.
 * 3. A dead letter is durable in the log before the transaction that passes it commits: it is never lost, and written
 *    again only by another process.
 * 4. A failure has one way out: see the drawing. What PostgreSQL refuses because of a row is no failure.
 * 5. At most one batch is being written, and those that fill have `bytes` together, and a record more.
 */
import { AldebaranError, messageOf } from '../../errors.ts'
import type { StartedSource } from '../../runtime/source.ts'
import type { SourceState } from '../../runtime/source-state.ts'
import type { Running } from '../../runtime/start.ts'
import type { Report } from '../../runtime/worker-host.ts'
import { Alarm } from './alarm.ts'
import type { DatabaseSession } from './database.ts'
import type { SinkFeed } from './sink-feed.ts'
import { SinkLetters } from './sink-letters.ts'
import type { SinkPlan } from './sink-plan.ts'
import { openFeeds, setUp, takeLock } from './sink-start.ts'
import { writeBatch } from './sink-write.ts'

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5000
/** One that stands by asks so often for the lock. */
const LOCK_EVERY_MS = 1000
/** The log is looked at this often even when it tells of nothing. */
const LOOK_MS = 1000
/** A session that has nothing to do is used this often: it would be ended, and its end would not be noticed. */
const ALIVE_EVERY_MS = 10_000
/** What is under way gets so long to end, and then to be cut off. */
const STOP_MS = 5000

export class SinkWriter implements StartedSource {
  readonly #plan: SinkPlan
  readonly #running: Running
  readonly #report: Report
  readonly #letters: SinkLetters
  /** What its positions are found by. */
  readonly #sink: string
  readonly #ended: Promise<void>
  #alarm = new Alarm()
  #session: DatabaseSession | null = null
  #isStopping = false
  #failures = 0
  #status: SourceState['status'] = 'waiting'
  #problem: AldebaranError | null = null
  #records = 0
  #rejected = 0
  #newestAt: number | null = null
  /** Of the oldest record that was read and is not written, ms since 1970; null: none is known. */
  #oldestAt: number | null = null
  /** Those of a session that failed stay open until the next one: they tell the lag. */
  #feeds: SinkFeed[] = []
  #usedAt = 0

  constructor(plan: SinkPlan, running: Running, report: Report) {
    this.#plan = plan
    this.#running = running
    this.#report = report
    this.#sink = `${running.application.name}.${plan.name}`
    this.#letters = new SinkLetters(plan.name, plan.topic.name, running)
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
      lag: this.#feeds.length === 0 ? null : this.#feeds.reduce((sum, feed) => sum + feed.lag, 0),
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#alarm.ring()
    const cut = setTimeout(() => this.#session?.destroy(), STOP_MS)
    // A log that does not answer ends what waits for it when it is closed, which comes after this.
    const givenUp = Promise.withResolvers<void>()
    const giveUp = setTimeout(givenUp.resolve, 2 * STOP_MS)
    await Promise.race([this.#ended, givenUp.promise])
    clearTimeout(cut)
    clearTimeout(giveUp)
    this.#closeFeeds()
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#serve()
      } catch (error) {
        if (this.#isStopping) return
        // What rings from now on is not of the session that was lost.
        this.#alarm = new Alarm()
        this.#fail(error)
        const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++)
        await this.#alarm.wait(pause * (0.75 + Math.random() / 2))
      }
    }
  }

  /** Returns when it is to stop. */
  async #serve(): Promise<void> {
    const plan = this.#plan
    const alarm = this.#alarm
    let isLost = false
    const session = await plan.database.connect(`aldebaran ${this.#sink}`, () => {
      isLost = true
      alarm.ring()
    })
    this.#session = session
    try {
      await session.query(plan.statements.session)
      while (!this.#isStopping && !(await takeLock(plan, this.#sink, session))) {
        this.#standBy()
        await alarm.wait(LOCK_EVERY_MS)
      }
      if (this.#isStopping) return
      await setUp(plan, session)
      this.#closeFeeds()
      this.#feeds = await openFeeds(plan, this.#sink, this.#running.log, session)
      this.#usedAt = this.#running.clock.now()
      this.#succeed('running')
      await this.#pump(session, alarm, () => isLost)
    } finally {
      this.#session = null
      await session.close()
    }
  }

  async #pump(session: DatabaseSession, alarm: Alarm, isLost: () => boolean): Promise<void> {
    const { clock } = this.#running
    const { rows, waitMs } = this.#plan
    // What is being written ends before anything else is written, and before the session is given up.
    let writing: Promise<void> | null = null
    try {
      while (!this.#isStopping) {
        let isMore = false
        for (const feed of this.#feeds) {
          const isFull = feed.fill(rows, this.#room(feed), clock.now())
          isMore ||= isFull
          const { batch } = feed
          if (batch === null || !(isFull || clock.now() - batch.since >= waitMs)) continue
          feed.take()
          if (writing !== null) await writing
          if (this.#isStopping) break
          writing = this.#write(session, feed, batch)
          writing.catch(() => {})
          this.#noteOldest(batch.oldest)
        }
        if (isMore) continue
        if (writing !== null) await writing
        writing = null
        this.#noteOldest(Number.POSITIVE_INFINITY)
        // One that is lost says by what, and not only when there is something to write: another may write already.
        if (isLost()) await session.query(this.#plan.statements.alive)
        await this.#pause(session, alarm)
      }
    } finally {
      await writing?.catch(() => {})
    }
    if (writing !== null) await writing
  }

  /** Waits for records, the time of a batch, or the end. */
  async #pause(session: DatabaseSession, alarm: Alarm): Promise<void> {
    const { clock, log } = this.#running
    const now = clock.now()
    if (now - this.#usedAt >= ALIVE_EVERY_MS) {
      await session.query(this.#plan.statements.alive)
      this.#usedAt = now
    }
    let ms = LOOK_MS
    for (const { batch } of this.#feeds) {
      if (batch !== null) ms = Math.min(ms, Math.max(0, batch.since + this.#plan.waitMs - now))
    }
    const end = new AbortController()
    let isWaiting = true
    // What is told once nobody waits any more would wake the next wait for nothing.
    const wake = (): void => {
      if (isWaiting) alarm.ring()
    }
    const changed = log.changed(ms, end.signal).then(wake, wake)
    await alarm.wait(ms)
    isWaiting = false
    end.abort()
    await changed
  }

  /** What the batch of a feed may come to: all that fill share the bytes. */
  #room(feed: SinkFeed): number {
    let others = 0
    for (const one of this.#feeds) if (one !== feed) others += one.batch?.bytes ?? 0
    return Math.max(1, this.#plan.bytes - others)
  }

  async #write(session: DatabaseSession, feed: SinkFeed, batch: NonNullable<SinkFeed['batch']>): Promise<void> {
    const { clock } = this.#running
    await writeBatch(
      {
        plan: this.#plan,
        sink: this.#sink,
        session,
        letters: this.#letters,
        wrote: (position, rows) => {
          feed.written = position
          this.#records += rows
          this.#rejected += this.#letters.passed(feed.partition, position)
          this.#usedAt = clock.now()
          if (rows > 0) this.#newestAt = this.#usedAt
          // The first failure after a success is tried again soon.
          this.#failures = 0
        },
      },
      batch,
    )
  }

  /** `writing`: of the batch that is written now. */
  #noteOldest(writing: number): void {
    let oldest = writing
    for (const { batch } of this.#feeds) if (batch !== null) oldest = Math.min(oldest, batch.oldest)
    this.#oldestAt = Number.isFinite(oldest) ? oldest : null
  }

  #closeFeeds(): void {
    for (const feed of this.#feeds) feed.close()
    this.#feeds = []
  }

  #standBy(): void {
    this.#closeFeeds()
    this.#oldestAt = null
    this.#succeed('standby')
  }

  #succeed(status: 'running' | 'standby'): void {
    const { name, table } = this.#plan
    if (status !== this.#status) {
      const message = status === 'running' ? 'the sink writes' : 'the sink stands by: another process writes'
      this.#report('info', message, { sink: name, table })
    }
    this.#status = status
    this.#problem = null
    this.#failures = 0
  }

  #fail(error: unknown): void {
    const { name, table, database } = this.#plan
    const problem = error instanceof AldebaranError ? error : new AldebaranError('INTERNAL', messageOf(error))
    // It is told once: the state has it as long as it lasts.
    if (problem.message !== this.#problem?.message) {
      this.#report(problem.fate === 'retry' ? 'warn' : 'error', 'the sink waits, and tries again', {
        sink: name,
        table,
        database: database.label,
        code: problem.code,
        error: problem.message,
        remedy: problem.remedy,
      })
    }
    this.#status = 'waiting'
    this.#problem = problem
  }
}
