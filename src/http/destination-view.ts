/** What the tasks of a delivery have of one destination, as one. */
import type { DestinationState, DestinationView } from './delivery-shape.ts'

/** Of a task: `destination` and what `Destination.describe` says. */
export interface DestinationPart {
  readonly partition: number
  readonly destination: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** The most severe first. */
const STATES: readonly DestinationState[] = ['paused', 'open', 'half-open', 'throttled', 'active']
const SUMS = ['waiting', 'scheduled', 'inDoubt', 'underWay', 'delivered', 'failed', 'dead'] as const

/** By name; the parts of one destination become one. */
export function mergeDestinations(parts: readonly DestinationPart[]): DestinationView[] {
  return [...Map.groupBy(parts, part => part.destination)]
    .map(([destination, own]) => merge(destination, own))
    .sort((a, b) => (a.destination < b.destination ? -1 : 1))
}

function merge(destination: string, parts: readonly DestinationPart[]): DestinationView {
  const text = (name: string): string => parts.map(({ fields }) => String(fields[name] ?? '')).find(Boolean) ?? ''
  const number = (part: DestinationPart, name: string): number => Number(part.fields[name] ?? 0)
  const states: Partial<Record<DestinationState, number>> = {}
  for (const { fields } of parts) {
    const state = fields.state as DestinationState
    states[state] = (states[state] ?? 0) + 1
  }
  const last = parts.reduce((a, b) => (number(b, 'failedAt') > number(a, 'failedAt') ? b : a))
  const sums = Object.fromEntries(
    SUMS.map(name => [name, parts.reduce((sum, part) => sum + number(part, name), 0)]),
  ) as Record<(typeof SUMS)[number], number>
  return {
    destination,
    tenant: text('tenant'),
    state: STATES.find(state => states[state] !== undefined) ?? 'active',
    states,
    reason: text('reason'),
    notBefore: Math.max(...parts.map(part => number(part, 'notBefore'))),
    ...sums,
    rate: text('rate'),
    concurrency: Math.max(...parts.map(part => number(part, 'concurrency'))),
    error: String(last.fields.error ?? ''),
    failedAt: number(last, 'failedAt'),
    partitions: parts.map(({ partition }) => partition).sort((a, b) => a - b),
  }
}
