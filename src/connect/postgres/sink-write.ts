/** One batch to the database, whatever of it the database refuses. */
import { AldebaranError } from '../../errors.ts'
import type { DatabaseSession } from './database.ts'
import type { SinkBatch } from './sink-batch.ts'
import type { SinkLetters } from './sink-letters.ts'
import type { SinkPlan } from './sink-plan.ts'

/**
 * What PostgreSQL finds wrong with a row and not with the table: cardinality, data, integrity, checks of views, limits,
 * and what triggers raise. (PostgreSQL's documentation, appendix A)
 */
const OF_A_ROW = /^(?:21|22|23|44|54|P0)...$/
/** Has the code of a failed check, but another row would find no place there either. */
const NO_PARTITION = 'ExecFindPartition'

export interface BatchWriter {
  readonly plan: SinkPlan
  /** What the positions of the sink are found by. */
  readonly sink: string
  readonly session: DatabaseSession
  readonly letters: SinkLetters
  /** The database has everything before `position`, of it so many rows more. */
  wrote(position: number, rows: number): void
}

/** @throws AldebaranError what is no fault of a row; what was told to be written is */
export async function writeBatch(writer: BatchWriter, batch: SinkBatch): Promise<void> {
  await writer.letters.send(batch.partition, batch.letters)
  await writeRows(writer, batch, 0, batch.rows)
}

/** Halves what is refused until it is one row: n rows with one such need about 2 log2 n transactions. */
async function writeRows(writer: BatchWriter, batch: SinkBatch, begin: number, end: number): Promise<void> {
  try {
    await transact(writer, batch, begin, end)
  } catch (error) {
    if (!isOfRow(error) || begin === end) throw error
    if (end - begin === 1) {
      await writer.letters.send(batch.partition, [batch.letterOf(begin, error)])
      await transact(writer, batch, begin, end, false)
      return
    }
    const middle = (begin + end) >>> 1
    await writeRows(writer, batch, begin, middle)
    await writeRows(writer, batch, middle, end)
  }
}

async function transact(
  { plan, sink, session, wrote }: BatchWriter,
  batch: SinkBatch,
  begin: number,
  end: number,
  withRows = begin < end,
): Promise<void> {
  const { statements, topic, columns, prepare } = plan
  const { partition } = batch
  const [from, next] = [batch.positionAt(begin), begin === end ? batch.next : batch.positionAt(end)]
  const arrays = withRows ? batch.arrays(begin, end) : []
  if (withRows && prepare !== null) {
    await prepare(session.query, { column: name => arrays[columns.findIndex(column => column.name === name)]! })
  }
  await session.transaction(async query => {
    const moved = await query(statements.move, [sink, topic.name, partition, from, next])
    if (moved.rowCount !== 1) {
      throw new AldebaranError(
        'FENCED',
        `another process moved partition ${partition} of ${topic.name} for '${sink}'`,
        {
          sink,
          partition,
        },
      )
    }
    if (withRows) await query(statements.insert, arrays)
  })
  wrote(next, withRows ? end - begin : 0)
}

function isOfRow(error: unknown): boolean {
  if (!(error instanceof AldebaranError) || error.code !== 'POSTGRES_REFUSED') return false
  return OF_A_ROW.test(String(error.details.state)) && error.details.routine !== NO_PARTITION
}
