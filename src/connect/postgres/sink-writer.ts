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
import type { StartedSource } from '../../runtime/source.ts'
import type { SourceState } from '../../runtime/source-state.ts'
import type { Running } from '../../runtime/start.ts'
import type { Report } from '../../runtime/worker-host.ts'
import type { Alarm } from '../../time/alarm.ts'
import type { DatabaseSession } from './database.ts'
import { SessionKeeper } from './session-keeper.ts'
import type { SinkFeed } from './sink-feed.ts'
import { SinkLetters } from './sink-letters.ts'
import type { SinkPlan } from './sink-plan.ts'
import { openFeeds, setUp, takeLock } from './sink-start.ts'
import { writeBatch } from './sink-write.ts'

const LONGEST_PAUSE_MS = 5000
/** One that stands by asks so often for the lock. */
const LOCK_EVERY_MS = 1000
/** The log is looked at this often even when it tells of nothing. */
const LOOK_MS = 1000
/** A session that has nothing to do is used this often: it would be ended, and its end would not be noticed. */
const ALIVE_EVERY_MS = 10_000

export class SinkWriter implements StartedSource {
  readonly #plan: SinkPlan
  readonly #running: Running
  readonly #keeper: SessionKeeper
  readonly #letters: SinkLetters
  /** What its positions are found by. */
  readonly #sink: string
  #session: DatabaseSession | null = null
  /** Those of a session that failed stay open until the next one: they tell the lag. */
  #feeds: SinkFeed[] = []
  #usedAt = 0

  constructor(plan: SinkPlan, running: Running, report: Report) {
    this.#plan = plan
    this.#running = running
    this.#sink = `${running.application.name}.${plan.name}`
    this.#letters = new SinkLetters(plan.name, plan.topic.name, running)
    this.#keeper = new SessionKeeper(
      {
        kind: 'sink',
        name: plan.name,
        table: plan.table,
        database: plan.database.label,
        messages: { running: 'the sink writes', standby: 'the sink stands by: another process writes' },
        longestPauseMs: LONGEST_PAUSE_MS,
        serve: alarm => this.#serve(alarm),
        cut: () => this.#session?.destroy(),
      },
      report,
    )
    this.#keeper.start()
  }

  state(): SourceState {
    return {
      ...this.#keeper.state(this.#running.clock.now()),
      lag: this.#feeds.length === 0 ? null : this.#feeds.reduce((sum, feed) => sum + feed.lag, 0),
    }
  }

  async stop(): Promise<void> {
    await this.#keeper.stop()
    this.#closeFeeds()
  }

  /** Returns when it is to stop. */
  async #serve(alarm: Alarm): Promise<void> {
    const plan = this.#plan
    const keeper = this.#keeper
    let isLost = false
    const session = await plan.database.connect(`aldebaran ${this.#sink}`, () => {
      isLost = true
      alarm.ring()
    })
    this.#session = session
    try {
      await session.query(plan.statements.session)
      while (!keeper.isStopping && !(await takeLock(plan, this.#sink, session))) {
        this.#standBy()
        await alarm.wait(LOCK_EVERY_MS)
      }
      if (keeper.isStopping) return
      await setUp(plan, session)
      this.#closeFeeds()
      this.#feeds = await openFeeds(plan, this.#sink, this.#running.log, session)
      this.#usedAt = this.#running.clock.now()
      keeper.succeed('running')
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
      while (!this.#keeper.isStopping) {
        let isMore = false
        for (const feed of this.#feeds) {
          const isFull = feed.fill(rows, this.#room(feed), clock.now())
          isMore ||= isFull
          const { batch } = feed
          if (batch === null || !(isFull || clock.now() - batch.since >= waitMs)) continue
          feed.take()
          if (writing !== null) await writing
          if (this.#keeper.isStopping) break
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
    const { done } = this.#keeper
    await writeBatch(
      {
        plan: this.#plan,
        sink: this.#sink,
        session,
        letters: this.#letters,
        wrote: (position, rows) => {
          feed.written = position
          done.records += rows
          done.rejected += this.#letters.passed(feed.partition, position)
          this.#usedAt = clock.now()
          if (rows > 0) done.newestAt = this.#usedAt
          // The first failure after a success is tried again soon.
          this.#keeper.progress()
        },
      },
      batch,
    )
  }

  /** `writing`: of the batch that is written now. */
  #noteOldest(writing: number): void {
    let oldest = writing
    for (const { batch } of this.#feeds) if (batch !== null) oldest = Math.min(oldest, batch.oldest)
    this.#keeper.done.oldestAt = Number.isFinite(oldest) ? oldest : null
  }

  #closeFeeds(): void {
    for (const feed of this.#feeds) feed.close()
    this.#feeds = []
  }

  #standBy(): void {
    this.#closeFeeds()
    this.#keeper.done.oldestAt = null
    this.#keeper.succeed('standby')
  }
}
