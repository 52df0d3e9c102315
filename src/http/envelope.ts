import type { Header } from '../record/headers.ts'
import { describe, invalid } from '../schema/failures.ts'

/** A record as `?wrap=records` brings it. */
export interface Envelope {
  /** Undefined: it says nothing of a key. Null: it has none. */
  key: unknown
  value: unknown
  timestamp: number | undefined
  headers: Header[] | null
  partition: number | undefined
}

const FIELDS = ['key', 'value', 'timestamp', 'headers', 'partition']

/** Checks `{ key?, value, timestamp?, headers?, partition? }`; throws VALUE_INVALID. */
export function readEnvelope(json: unknown): Envelope {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalid('', `must be an object with a value, not ${describe(json)}`)
  }
  const { key, value, timestamp, headers, partition } = json as Record<string, unknown>
  const other = Object.keys(json).find(name => !FIELDS.includes(name))
  if (other !== undefined) throw invalid(other, `is none of ${FIELDS.join(', ')}`)
  if (value === undefined) throw invalid('value', 'is missing')
  if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && (timestamp as number) >= 0)) {
    throw invalid('timestamp', `must be ms since 1970, not ${describe(timestamp)}`)
  }
  if (partition !== undefined && !Number.isInteger(partition)) {
    throw invalid('partition', `must be a whole number, not ${describe(partition)}`)
  }
  return {
    key,
    value,
    timestamp: timestamp as number | undefined,
    headers: headers === undefined ? null : readHeaders(headers),
    partition: partition as number | undefined,
  }
}

/** `{ name: text }`; a name with several values: `{ name: [text, text] }`. */
function readHeaders(json: unknown): Header[] {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalid('headers', `must be an object, not ${describe(json)}`)
  }
  return Object.entries(json).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).map((one: unknown): Header => {
      if (one === null) return { key, value: null }
      if (typeof one !== 'string' || !one.isWellFormed() || !key.isWellFormed()) {
        throw invalid(`headers.${key}`, `must be text, not ${describe(one)}`)
      }
      return { key, value: Buffer.from(one) }
    }),
  )
}
