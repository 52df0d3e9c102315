import { AldebaranError } from '../errors.ts'

/** The next offset to read, by partition. */
export type Positions = Map<number, number | 'earliest' | 'latest'>

/**
 * `earliest`, `latest`, one offset for all of the partitions, or `PARTITION:OFFSET,PARTITION:OFFSET…`; a partition that
 * is not named begins at its start. Throws OPTION_INVALID.
 */
export function parsePositions(text: string, partitions: readonly number[]): Positions {
  if (text === 'earliest' || text === 'latest') return new Map(partitions.map(partition => [partition, text]))
  if (/^\d{1,16}$/.test(text)) return new Map(partitions.map(partition => [partition, offsetOf(text)]))
  const given = new Map<number, number>()
  for (const part of text.split(',')) {
    const match = /^(\d{1,5}):(\d{1,16})$/.exec(part)
    if (match === null) {
      throw new AldebaranError('OPTION_INVALID', "from: it is 'earliest', 'latest', an offset or PARTITION:OFFSET,…")
    }
    given.set(Number(match[1]), offsetOf(match[2]!))
  }
  return new Map(partitions.map(partition => [partition, given.get(partition) ?? 'earliest']))
}

export function formatPositions(positions: Positions): string {
  return [...positions].map(([partition, offset]) => `${partition}:${offset}`).join(',')
}

function offsetOf(text: string): number {
  const offset = Number(text)
  if (Number.isSafeInteger(offset)) return offset
  throw new AldebaranError('OPTION_INVALID', `from: ${text} is no offset`)
}
