/** One event, put together from what tells of it: the topic of tries, the dead letters, the backlog, the record itself. */
import { isUtf8 } from 'node:buffer'
import type { AttemptRecord } from '../delivery/contract.ts'
import { type DeliveryPart, LIVE_DESTINATIONS } from '../delivery/delivery.ts'
import { DESTINATION_HEADER } from '../delivery/intake.ts'
import { AldebaranError } from '../errors.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { Running } from '../runtime/start.ts'
import { keyBytesFromText, show } from './codec.ts'
import type { LetterView } from './dead-letter.ts'
import type { EventStory, StoryPlace, StoryRecord } from './delivery-shape.ts'
import { type EventRow, EventRows } from './event-rows.ts'
import { newestRecords } from './newest-records.ts'
import { readRecords } from './read-records.ts'
import { viewHeaders } from './record-view.ts'
import type { Site } from './site.ts'
import { type DestinationNow, placeOf } from './story-place.ts'
import { ask } from './table-rows.ts'

export interface StoryOptions {
  /** Only there. */
  destination?: string
  /** Key of the record, written as text: one partition is looked at. */
  key?: string
  /** Tries at most. */
  limit: number
}

const CODE = 'DELIVERY_FAILED'
const LETTERS = 100
/** So many are looked up one by one; more are found with the others. */
const MOST_KNOWN = 25

/** @throws AldebaranError NOT_FOUND: nothing tells of it */
export async function tellStory(
  site: Site,
  running: Running,
  part: DeliveryPart,
  id: string,
  options: StoryOptions,
): Promise<EventStory> {
  const [tries, dead] = await Promise.all([
    attemptsOf(site, running, part, id, options),
    lettersOf(site, running, part, id, options.destination),
  ])
  const known = [
    ...new Set([
      ...(options.destination === undefined ? [] : [options.destination]),
      ...tries.attempts.map(one => one.destination),
      ...dead.letters.keys(),
    ]),
  ]
  const place = placeIn(part, id)
  const backlog = await new EventRows(running, part.name).find({
    id,
    partitions: partitionsOf(part, place, options.key),
    known,
    isAllKnown: options.destination !== undefined,
    place: known.length > MOST_KNOWN ? null : place,
  })
  const rows = backlog.rows.filter(
    ({ destination }) => options.destination === undefined || destination === options.destination,
  )
  const names = new Set([...known, ...rows.map(row => row.destination)])
  const found = await Promise.all(
    [...names].sort().map(async destination => {
      const row = rows.find(one => one.destination === destination) ?? null
      const letter = dead.letters.get(destination) ?? null
      const attempts = tries.attempts.filter(one => one.destination === destination)
      if (row === null && letter === null && attempts.length === 0) return []
      return [placeOf(destination, row, letter, attempts, await destinationNow(running, part, row))]
    }),
  )
  const destinations: StoryPlace[] = found.flat()
  const [letter] = dead.letters.values()
  const record = withText(part, await recordOf(site, running, part, rows[0], letter, place))
  const notSearched: EventStory['notSearched'][number][] = []
  if (tries.searchedBackTo !== null) notSearched.push('attempts')
  if (!dead.complete) notSearched.push('dead-letters')
  if (!backlog.complete) notSearched.push('backlog')
  const complete = notSearched.length === 0
  if (complete && destinations.length === 0 && record === null) {
    throw new AldebaranError('NOT_FOUND', `nothing is known of an event '${id}' of ${part.name}`, { event: id })
  }
  return {
    application: running.application.name,
    delivery: part.name,
    id,
    record,
    destinations,
    complete,
    notSearched,
    searchedBackTo: tries.searchedBackTo,
    recordsAttempts: part.delivery.attempts !== null,
  }
}

/** The newest first. */
async function attemptsOf(
  site: Site,
  running: Running,
  part: DeliveryPart,
  id: string,
  { destination, limit }: StoryOptions,
): Promise<{ attempts: AttemptRecord[]; searchedBackTo: number | null }> {
  const { attempts: recorded } = part.delivery
  if (recorded === null) return { attempts: [], searchedBackTo: null }
  const topic = await site.topic(recorded.name, running.application.name)
  // Other formats have the text as it is.
  const holding = Buffer.from(topic.value.format === 'json' ? JSON.stringify(id) : id)
  const { records, searchedBackTo } = await newestRecords(topic, { limit, key: destination, holding })
  const attempts = records
    .map(({ value }) => value as AttemptRecord | null)
    .filter(one => one !== null && one.id === id && (destination === undefined || one.destination === destination))
  return { attempts: (attempts as AttemptRecord[]).reverse(), searchedBackTo }
}

/** The newest of each destination. */
async function lettersOf(
  site: Site,
  running: Running,
  part: DeliveryPart,
  event: string,
  destination: string | undefined,
): Promise<{ letters: Map<string, LetterView>; complete: boolean }> {
  const { source } = part.delivery
  const filter = { code: CODE, topic: source.name, event, destination, state: undefined }
  const page = await site.letters(running).list(filter, undefined, LETTERS)
  const letters = new Map<string, LetterView>()
  for (const letter of page.letters) {
    const name = letter.headers[DESTINATION_HEADER]
    if (letter.pipeline === part.name && typeof name === 'string' && !letters.has(name)) letters.set(name, letter)
  }
  return { letters, complete: page.before === null }
}

/** Where the record of an event lies whose route gave it no id. */
function placeIn({ delivery: { source }, partitions }: DeliveryPart, id: string) {
  if (!id.startsWith(`${source.name}/`)) return null
  const match = /^(\d{1,4})\/(\d{1,15})$/.exec(id.slice(source.name.length + 1))
  if (match === null || Number(match[1]) >= partitions) return null
  return { partition: Number(match[1]), offset: Number(match[2]) }
}

function partitionsOf(
  { delivery: { source }, partitions }: DeliveryPart,
  place: { partition: number } | null,
  keyText: string | undefined,
): number[] {
  if (place !== null) return [place.partition]
  if (keyText === undefined) return Array.from({ length: partitions }, (_, i) => i)
  const key = keyBytesFromText(source.key, keyText)
  return [partitionOf(key, 0, key.length, partitions)]
}

/** As the task of the row has it. */
async function destinationNow(
  running: Running,
  part: DeliveryPart,
  row: EventRow | null,
): Promise<DestinationNow | null> {
  if (row === null) return null
  const { destination, partition } = row
  const [from, to] = [Buffer.from(destination), Buffer.from(`${destination}\0`)]
  const range = { from, to, limit: 1 }
  const query = { kind: 'scan', pipeline: part.name, table: LIVE_DESTINATIONS, partition, ...range } as const
  const [found] = await ask(running, query)
  return (found?.fields ?? null) as DestinationNow | null
}

async function recordOf(
  site: Site,
  running: Running,
  part: DeliveryPart,
  row: EventRow | undefined,
  letter: LetterView | undefined,
  place: { partition: number; offset: number } | null,
): Promise<StoryRecord | null> {
  const { source } = part.delivery
  if (row !== undefined) return recordOfRow(part, row)
  if (letter !== undefined && letter.source !== null) {
    const { key, value, valueBase64, headers } = letter
    return { ...letter.source, key, value, ...(valueBase64 === undefined ? {} : { valueBase64 }), headers }
  }
  if (place === null) return null
  const { partition, offset } = place
  const topic = await site.topic(source.name, running.application.name)
  const { start, end } = (await topic.log.partitionsOf([source.name])).get(source.name)?.[partition] ?? NOWHERE
  if (offset < start || offset >= end) return null
  const at = { partition, from: String(offset), time: undefined, key: undefined, limit: 1 }
  const [record] = (await readRecords(topic, at)).records
  if (record?.offset !== offset) return null
  const { timestamp, key, value, valueBase64, headers } = record
  const undecoded = valueBase64 === undefined ? {} : { valueBase64 }
  return { topic: source.name, partition, offset, timestamp, key, value, ...undecoded, headers }
}

/** Bytes are shown as base64, which nobody reads. */
function withText({ delivery: { source } }: DeliveryPart, record: StoryRecord | null): StoryRecord | null {
  if (record === null || source.value.format !== 'bytes' || typeof record.value !== 'string') return record
  const bytes = Buffer.from(record.value, 'base64')
  return isUtf8(bytes) ? { ...record, text: bytes.toString() } : record
}

const NOWHERE = { start: 0, end: 0 }

function recordOfRow({ delivery: { source } }: DeliveryPart, { partition, fields }: EventRow): StoryRecord {
  const { offset, timestamp, recordKey, headers } = fields
  const keyBytes = recordKey === null ? null : Buffer.from(recordKey)
  const bytes = Buffer.from(fields.value)
  const { value, base64 } = show(source.value, bytes, 0, bytes.length)
  return {
    topic: source.name,
    partition,
    offset,
    timestamp,
    key: keyBytes === null ? null : show(source.key, keyBytes, 0, keyBytes.length).value,
    value,
    ...(base64 === undefined ? {} : { valueBase64: base64 }),
    headers: viewHeaders(
      headers.map(one => ({ key: one.key, value: one.value === null ? null : Buffer.from(one.value) })),
    ),
  }
}
