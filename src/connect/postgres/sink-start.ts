/** What a sink does with a new session before it writes. */
import { AldebaranError } from '../../errors.ts'
import type { Log } from '../../log/contract.ts'
import type { DatabaseSession } from './database.ts'
import { SinkFeed } from './sink-feed.ts'
import type { SinkPlan } from './sink-plan.ts'

/** False: another process has it. */
export async function takeLock({ statements }: SinkPlan, sink: string, session: DatabaseSession): Promise<boolean> {
  const { rows } = await session.query<{ held: boolean | null }>(statements.lock, [sink])
  return rows[0]?.held === true
}

/** To be called with the lock. @throws AldebaranError POSTGRES_REFUSED, and what the user's own function throws */
export async function setUp({ statements, setup }: SinkPlan, session: DatabaseSession): Promise<void> {
  if (setup !== null) await setup(session)
  // Without the right to make it, it may have been made by another user.
  const { rows } = await session.query<{ found: boolean }>(statements.hasPositions, [statements.positionsName])
  if (rows[0]?.found !== true) {
    await session.transaction(async query => {
      // Of two sinks that begin at once, one would fail.
      await query(statements.lockPositions)
      await query(statements.createPositions)
    })
  }
  await session.query(statements.check)
}

/** A feed for each partition, at the position that the database has; it is given one where it has none. */
export async function openFeeds(plan: SinkPlan, sink: string, log: Log, session: DatabaseSession): Promise<SinkFeed[]> {
  const { statements, topic, columns, from } = plan
  const partitions = (await log.partitionsOf([topic.name])).get(topic.name)
  if (partitions === undefined) throw new AldebaranError('TOPIC_UNKNOWN', `there is no topic ${topic.name}`)
  const positions = await readPositions(plan, sink, session)
  for (const [partition, { start, end }] of partitions.entries()) {
    if (positions.has(partition)) continue
    await session.query(statements.beginPosition, [sink, topic.name, partition, from === 'earliest' ? start : end])
  }
  const known = await readPositions(plan, sink, session)
  const feeds: SinkFeed[] = []
  try {
    for (const partition of partitions.keys()) {
      const position = known.get(partition)!
      const reader = await log.openReader(topic.name, partition, position).catch(error => {
        throw outOfRange(error, plan, sink, partition, position)
      })
      feeds.push(new SinkFeed(topic, columns, reader, position))
    }
  } catch (error) {
    for (const feed of feeds) feed.close()
    throw error
  }
  return feeds
}

async function readPositions(
  { statements, topic }: SinkPlan,
  sink: string,
  session: DatabaseSession,
): Promise<Map<number, number>> {
  const { rows } = await session.query<{ partition: number; offset: string }>(statements.readPositions, [
    sink,
    topic.name,
  ])
  return new Map(rows.map(({ partition, offset }) => [partition, Number(offset)]))
}

/** Going on elsewhere would leave records out, and nobody would see it: that is for a person to decide. */
function outOfRange(error: unknown, plan: SinkPlan, sink: string, partition: number, position: number): unknown {
  if (!(error instanceof AldebaranError) || error.code !== 'OFFSET_OUT_OF_RANGE') return error
  return new AldebaranError(
    'OFFSET_OUT_OF_RANGE',
    `${error.message}: the database says that '${sink}' is at ${position} in partition ${partition}; if the records ` +
      `are gone, or the topic was made anew, set or delete its row in ${plan.statements.positionsName}`,
    { partition, offset: position },
  )
}
