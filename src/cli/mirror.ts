/**
 * Copies topics from one log to another.
 *
 * 1. A unit has batches of the source and, for each partition, where to read on in the source: positions of the group
 *    `mirror.NAME` in the target. So it can be killed at any time, and goes on without loss or doubles.
 * 2. The records of a partition keep their order. Their offsets do not: those of the source may have gaps.
 */
import { setTimeout } from 'node:timers/promises'
import { AldebaranError } from '../errors.ts'
import type { Append, Log, PartitionReader, Position, TopicInfo } from '../log/contract.ts'
import { recordCountOf } from '../record/batch-header.ts'
import { mirrored } from './mirror-batches.ts'

export interface MirrorSettings {
  readonly from: Log
  /** Nobody else writes the positions of the group to it. */
  readonly to: Log
  readonly group: string
  readonly topics: readonly TopicInfo[]
  /** Goes on at the end. */
  readonly follow: boolean
  readonly signal: AbortSignal
  /** Called after each commit. */
  readonly progress: (total: MirrorTotal) => void
}

export interface MirrorTotal {
  records: number
  batches: number
  bytes: number
}

const POLL_BYTES = 256 * 1024
const UNIT_BYTES = 4 * 1024 * 1024
/** Kafka takes a request for each batch of a partition. */
const UNIT_BATCHES = 500
/** The source is looked at this often when it has nothing, ms. */
const LOOK_MS = 20

interface Place {
  readonly reader: PartitionReader
  /** The end that there was at first. */
  readonly end: number
  /** Committed in the target. */
  position: number
}

/** Makes the topics that the target does not have, with the partitions and options of the source. */
export async function createMirrored(to: Log, topics: readonly TopicInfo[]): Promise<void> {
  const known = new Map((await to.listTopics()).map(info => [info.name, info]))
  for (const { name, ...options } of topics) {
    const there = known.get(name)
    if (there === undefined) await to.createTopic(name, options)
    else if (there.partitions !== options.partitions) {
      const has = `topic ${name} has ${there.partitions} partitions there, and ${options.partitions} here`
      throw new AldebaranError('TOPIC_EXISTS', has, { topic: name })
    }
  }
}

/** Resolves when everything is copied that there was at first; with `follow` when the signal says so. */
export async function mirror(settings: MirrorSettings): Promise<MirrorTotal> {
  const { to, follow, signal, progress } = settings
  const total: MirrorTotal = { records: 0, batches: 0, bytes: 0 }
  const places = await openPlaces(settings)
  try {
    while (!signal.aborted) {
      const unit = gather(places, settings.group)
      if (unit.positions.length > 0) {
        await to.commit(unit)
        for (const { batch } of unit.appends) {
          total.records += recordCountOf(batch, 0)
          total.bytes += batch.length
        }
        total.batches += unit.appends.length
        progress(total)
      } else if (!follow && places.every(({ position, end }) => position >= end)) break
      else await setTimeout(LOOK_MS)
      // The oldest come first next time, so that no partition waits for others.
      places.push(places.shift()!)
    }
    return total
  } finally {
    for (const { reader } of places) reader.close()
  }
}

async function openPlaces({ from, to, group, topics }: MirrorSettings): Promise<Place[]> {
  const names = topics.map(({ name }) => name)
  const known = new Map(
    (await to.positionsOf([group])).map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]),
  )
  const ranges = await from.partitionsOf(names)
  const places: Place[] = []
  for (const name of names) {
    for (const [partition, { start, end }] of (ranges.get(name) ?? []).entries()) {
      const position = known.get(`${name}/${partition}`)
      if (position !== undefined && position > end) {
        const message = `${name}/${partition} was copied up to ${position}, and ends at ${end} now: is it another log?`
        throw new AldebaranError('OFFSET_OUT_OF_RANGE', message, { topic: name, partition, offset: position, end })
      }
      // What retention deleted before it was copied cannot be copied any more.
      const reader = await from.openReader(name, partition, Math.max(position ?? start, start))
      places.push({ reader, end, position: position ?? reader.position })
    }
  }
  return places
}

/** The batches stay where they are until the readers are asked again. */
function gather(places: readonly Place[], group: string): { appends: Append[]; positions: Position[] } {
  const appends: Append[] = []
  const positions: Position[] = []
  let bytes = 0
  for (const place of places) {
    if (bytes >= UNIT_BYTES || appends.length >= UNIT_BATCHES) break
    const { reader } = place
    const { topic, partition } = reader
    if (reader.poll(POLL_BYTES)) {
      for (const batch of mirrored(reader.chunk, reader.size, reader.from)) {
        appends.push({ topic, partition, batch })
        bytes += batch.length
      }
    }
    if (reader.position === place.position) continue
    place.position = reader.position
    positions.push({ group, topic, partition, offset: reader.position, metadata: '' })
  }
  return { appends, positions }
}
