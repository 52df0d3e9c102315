import { setImmediate } from 'node:timers/promises'
import { AldebaranError } from '../errors.ts'
import type { Log, PartitionReader } from '../log/contract.ts'
import type { AnyTopic, KeyOf, ValueOf } from '../pipeline/topic.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import type { Header } from '../record/headers.ts'
import { kept } from '../schema/kept.ts'
import { seekBack } from './seek-back.ts'

/** A record as a program outside the pipelines sees it. It may be kept. */
export interface Received<K = unknown, V = unknown> {
  readonly partition: number
  readonly offset: number
  /** ms since 1970 */
  readonly timestamp: number
  readonly key: K | null
  readonly value: V | null
  readonly headers: Header[]
}

export interface SubscribeSettings {
  /**
   * `latest` (default): what is written from the call on. `earliest`: everything the topic still holds, then that.
   * `back`: what each partition got in that many ms before its newest record, by the timestamps of the records, then that.
   */
  from?: 'earliest' | 'latest' | { readonly back: number }
  /** Called once, when the loop has had all that was there at the call. */
  onCaughtUp?: () => void
  /** Told of a record whose bytes do not fit the topic, which is passed over. Default: the loop ends with the error. */
  onUndecodable?: (error: AldebaranError, partition: number, offset: number) => void
  /** Ends the iteration. */
  signal?: AbortSignal
}

const POLL_BYTES = 256 * 1024
/** The log is looked at this often even when it tells of nothing, ms. */
const LOOK_MS = 1000

/**
 * The records of a topic as they come, in the order of their offsets within a partition; it goes on until the loop is
 * left or the signal aborted. It keeps no position: who must not miss a record is better a pipeline. Between two reads of
 * the log other work of the thread has its turn.
 *
 * Throws VALUE_UNDECODABLE for bytes that do not fit the topic, and OFFSET_OUT_OF_RANGE when retention passed it by.
 */
export function subscribe<T extends AnyTopic>(
  log: Log,
  topic: T,
  settings: SubscribeSettings = {},
): AsyncGenerator<Received<KeyOf<T>, ValueOf<T>>, void, void> {
  const { from = 'latest' } = settings
  // Opened here and not with the first `next`: what is sent after this call is seen.
  const readers = Array.from({ length: topic.options.partitions }, (_, partition) =>
    log.reader(topic.name, partition, typeof from === 'string' ? from : 'latest'),
  )
  const ends = readers.map(reader => reader.end())
  return records(log, topic, readers, ends, settings)
}

async function* records<T extends AnyTopic>(
  log: Log,
  topic: T,
  readers: readonly PartitionReader[],
  ends: readonly number[],
  { from, signal, onCaughtUp, onUndecodable }: SubscribeSettings,
): AsyncGenerator<Received<KeyOf<T>, ValueOf<T>>, void, void> {
  const cursor = new BatchCursor()
  let isBehind = true
  try {
    if (typeof from === 'object') for (const reader of readers) await seekBack(log, reader, from.back, signal)
    while (!isAborted(signal)) {
      let found = false
      for (const reader of readers) {
        if (!reader.poll(POLL_BYTES)) continue
        found = true
        cursor.reset(reader.chunk, 0, reader.size)
        for (const record of recordsOf(topic, reader, cursor, onUndecodable)) {
          if (isAborted(signal)) return
          yield record
        }
      }
      if (isBehind && readers.every((reader, i) => reader.position >= ends[i]!)) {
        isBehind = false
        onCaughtUp?.()
      }
      // Nothing happens between the last look and this call, so no growth goes unnoticed.
      if (found) await setImmediate()
      else await log.changed(LOOK_MS, signal)
    }
  } finally {
    for (const reader of readers) reader.close()
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function* recordsOf<T extends AnyTopic>(
  topic: T,
  reader: PartitionReader,
  cursor: BatchCursor,
  onUndecodable: SubscribeSettings['onUndecodable'],
): Generator<Received<KeyOf<T>, ValueOf<T>>, void, void> {
  const { partition, from } = reader
  while (cursor.nextBatch()) {
    if (cursor.isControl) continue
    while (cursor.next()) {
      if (cursor.offset < from) continue
      const { bytes, keyStart, keyEnd, valueStart, valueEnd, offset } = cursor
      let key: KeyOf<T> | null
      let value: ValueOf<T> | null
      try {
        key = keyStart < 0 ? null : kept(topic.key.decode(bytes, keyStart, keyEnd))
        value = valueStart < 0 ? null : kept(topic.value.decode(bytes, valueStart, valueEnd))
      } catch (error) {
        if (onUndecodable === undefined || !(error instanceof AldebaranError)) throw error
        onUndecodable(error, partition, offset)
        continue
      }
      yield { partition, offset, timestamp: cursor.timestamp, key, value, headers: cursor.headers() }
    }
  }
}
