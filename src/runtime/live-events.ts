/** Events that a delivery's task has in memory: most of them have no row, and those under way may have ended soon. */
import type { Courier } from '../delivery/courier.ts'
import { type DueEvent, rowKey, writeEvent } from '../delivery/due-event.ts'
import type { DueRow } from '../delivery/tables.ts'
import type { RowCopy } from '../state/contract.ts'

/**
 * Asked for as if it were a table: its key is the id of an event, and its rows are those of the event, of kind `i` under
 * way and of kind `q` where its turn comes.
 */
export const LIVE_EVENTS = 'events.live'

/** It looks at all that is in memory, which is bounded by the delivery's `memory`. */
export function liveEvents(courier: Courier, id: string): RowCopy[] {
  const rows: RowCopy[] = []
  for (const { queue, underWay } of courier.destinations.all()) {
    for (const event of queue) if (event.id === id) rows.push(copyOf(event, false))
    for (const event of underWay.values()) if (event.id === id) rows.push(copyOf(event, true))
  }
  return rows
}

function copyOf(event: DueEvent, underWay: boolean): RowCopy {
  const fields: Record<string, unknown> = {}
  writeEvent(event, fields as unknown as DueRow)
  return { key: rowKey(underWay ? 'i' : 'q', event.destination, event.order), fields, timers: {} }
}
