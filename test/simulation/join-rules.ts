/** What joins have to tell of the records of one key, from the order in which they were read and nothing else. */

/** A record, in the order of reading. */
export interface Seen {
  side: string
  id: number
  at: number
  gone: boolean
  /** That of the task when it read the record; null: not known yet. */
  watermark: number | null
}

/** Ids of records; null: none. */
export interface Told {
  left: number | null
  right: number | null
}

export interface Change extends Told {
  timestamp: number
}

/** How far apart two records may be, ms, and which side is told alone. */
export interface Reach {
  readonly before: number
  readonly after: number
  readonly grace: number
  readonly isOuter: readonly [left: boolean, right: boolean]
}

/** Of two streams. `pairs` and `late` in the order in which they are told. */
export function pairsOf(seen: readonly Seen[], { before, after, grace, isOuter }: Reach) {
  const open: (Seen & { met: boolean })[] = []
  const late: number[] = []
  const pairs: Change[] = []
  const isClosed = ({ side, at }: Seen, watermark: number | null): boolean =>
    watermark !== null && at + (side === 'left' ? after : before) + grace < watermark
  for (const one of seen) {
    const { side, watermark } = one
    if (isClosed(one, watermark)) {
      late.push(one.id)
      continue
    }
    const own = { ...one, met: false }
    const met = open
      .filter(other => other.side !== side && !isClosed(other, watermark))
      .filter(other => {
        const [left, right] = side === 'left' ? [one.at, other.at] : [other.at, one.at]
        return left - before <= right && right <= left + after
      })
      .sort((a, b) => a.at - b.at)
    for (const other of met) {
      own.met = true
      other.met = true
      const [left, right] = side === 'left' ? [one.id, other.id] : [other.id, one.id]
      pairs.push({ left, right, timestamp: Math.max(one.at, other.at) })
    }
    open.push(own)
  }
  const alone = open
    .filter(({ met, side }) => !met && isOuter[side === 'left' ? 0 : 1])
    .map(({ side, id, at }): Change => {
      return { left: side === 'left' ? id : null, right: side === 'left' ? null : id, timestamp: at }
    })
  return { pairs, alone, late }
}

/** A row of a table: one that was deleted has a time, too. */
interface Row {
  id: number | null
  at: number
}

const NOTHING: Row = { id: null, at: Number.NEGATIVE_INFINITY }

/** Of two tables: what the join of `price` with `stock` tells, null and null where a result is gone. */
export function changesOf(seen: readonly Seen[], kind: 'inner' | 'left' | 'outer'): Change[] {
  const rows = { price: NOTHING, stock: NOTHING }
  const changes: Change[] = []
  const hasResult = (): boolean => {
    const [left, right] = [rows.price.id !== null, rows.stock.id !== null]
    return kind === 'inner' ? left && right : kind === 'left' ? left : left || right
  }
  for (const { side, id, at, gone } of seen) {
    if ((side !== 'price' && side !== 'stock') || at < rows[side].at) continue
    const had = rows[side].id !== null
    const before = hasResult()
    rows[side] = { id: gone ? null : id, at }
    const after = hasResult()
    if ((gone && !had) || (!before && !after)) continue
    const timestamp = Math.max(rows.price.at, rows.stock.at)
    changes.push({ left: after ? rows.price.id : null, right: after ? rows.stock.id : null, timestamp })
  }
  return changes
}

/** Of a stream, `view`, with a table, `price`. */
export function lookUpsOf(seen: readonly Seen[], isOuter: boolean): Change[] {
  let price = NOTHING
  const found: Change[] = []
  for (const { side, id, at, gone } of seen) {
    if (side === 'price' && at >= price.at) price = { id: gone ? null : id, at }
    if (side === 'view' && (isOuter || price.id !== null)) found.push({ left: id, right: price.id, timestamp: at })
  }
  return found
}

/** The newest of each group that is not gone. */
export function latestOf(
  events: readonly { id: number; group: string; at: number; gone: boolean }[],
): Map<string, number> {
  const newest = events.toSorted((a, b) => a.at - b.at)
  const latest = new Map<string, number>()
  for (const { id, group, gone } of newest) {
    if (gone) latest.delete(group)
    else latest.set(group, id)
  }
  return latest
}
