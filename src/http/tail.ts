/**
 * The records of topics as they come, to any number of clients.
 *
 * Invariants
 * 1. A client gets every record of its partitions from where it began, each once, partitions in offset order. The id of
 *    an event says the last offset sent of each partition, the one of the record first: `Last-Event-ID` goes on there.
 * 2. Nothing is kept for a client that is slow: its readers stand still, and read on from the log when it takes again.
 * 3. One loop waits for the log on behalf of all; it runs while there are clients.
 */

import { AldebaranError } from '../errors.ts'
import type { Log, PartitionReader } from '../log/contract.ts'
import { BatchCursor } from '../record/batch-cursor.ts'
import type { EventStream } from './event-stream.ts'
import { hasKey } from './record-scan.ts'
import { viewRecord } from './record-view.ts'
import type { SiteTopic } from './site-topic.ts'

const POLL_BYTES = 64 * 1024
/** The log is looked at this often even when it tells of nothing, ms. */
const LOOK_MS = 1000

export class TailHub {
  readonly #log: Log
  readonly #tails = new Set<Tail>()
  #running = false
  #stopped = new AbortController()

  constructor(log: Log) {
    this.#log = log
  }

  /** Sends the records of `topic` (of one key, or all) that the readers read, until the stream is closed. */
  add(topic: SiteTopic, readers: readonly PartitionReader[], key: Buffer | null, stream: EventStream): void {
    const tail = new Tail(topic, readers, key, stream)
    if (this.#stopped.signal.aborted) stream.close('the server stops')
    this.#tails.add(tail)
    stream.onReady = () => tail.pump()
    stream.onClose(() => {
      tail.close()
      this.#tails.delete(tail)
      if (this.#tails.size === 0) this.#log.wake()
    })
    tail.pump()
    if (!this.#running) void this.#run()
  }

  close(): void {
    this.#stopped.abort()
    for (const tail of [...this.#tails]) tail.stream.close('the server stops')
    this.#log.wake()
  }

  async #run(): Promise<void> {
    this.#running = true
    try {
      while (this.#tails.size > 0) {
        await this.#log.changed(LOOK_MS, this.#stopped.signal)
        for (const tail of [...this.#tails]) tail.pump()
      }
    } catch {
      // The log was closed under us: nothing more will come.
      for (const tail of [...this.#tails]) tail.stream.close('the log was closed')
    } finally {
      this.#running = false
    }
  }
}

class Tail {
  readonly stream: EventStream
  readonly #topic: SiteTopic
  readonly #key: Buffer | null
  readonly #cursors: { reader: PartitionReader; cursor: BatchCursor; sent: number }[]
  #scheduled = false

  constructor(topic: SiteTopic, readers: readonly PartitionReader[], key: Buffer | null, stream: EventStream) {
    this.#topic = topic
    this.#key = key
    this.stream = stream
    this.#cursors = readers.map(reader => ({ reader, cursor: new BatchCursor(), sent: reader.position - 1 }))
  }

  /** Sends what there is, as far as the client takes it; the rest in turns with other work. */
  pump(): void {
    if (!this.stream.ready || this.#scheduled) return
    let more = false
    try {
      for (const one of this.#cursors) if (this.#send(one)) more = true
    } catch (error) {
      this.#fail(error)
      return
    }
    if (!more || !this.stream.ready) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.pump()
    })
  }

  close(): void {
    for (const { reader } of this.#cursors) reader.close()
    this.#cursors.length = 0
  }

  /** The rest of the chunk at hand, else the next chunk. False: there was nothing. */
  #send(one: { reader: PartitionReader; cursor: BatchCursor; sent: number }): boolean {
    const { reader, cursor } = one
    if (!this.#sendChunk(one)) return true
    if (!reader.poll(POLL_BYTES)) return false
    cursor.reset(reader.chunk, 0, reader.size)
    this.#sendChunk(one)
    return true
  }

  /** False: the client takes no more for now, and the cursor stands where to go on. */
  #sendChunk(one: { reader: PartitionReader; cursor: BatchCursor; sent: number }): boolean {
    const { reader, cursor } = one
    for (;;) {
      while (!cursor.isControl && cursor.next()) {
        if (cursor.offset <= one.sent) continue
        one.sent = cursor.offset
        if (this.#key !== null && !hasKey(cursor, this.#key)) continue
        this.stream.send('record', viewRecord(this.#topic, reader.partition, cursor), this.#id(reader.partition))
        if (!this.stream.ready) return false
      }
      if (!cursor.nextBatch()) return true
    }
  }

  #id(partition: number): string {
    const own = this.#cursors.find(one => one.reader.partition === partition)!
    const others = this.#cursors.filter(one => one !== own)
    return [own, ...others].map(one => `${one.reader.partition}:${one.sent}`).join(',')
  }

  /** Retention passed a slow client by, the topic was deleted, or a batch is damaged: the client is told, and goes. */
  #fail(error: unknown): void {
    const known = error instanceof AldebaranError ? error : new AldebaranError('INTERNAL', 'the tail failed', {}, error)
    this.stream.send('failed', { error: known.toJSON() })
    this.stream.close()
  }
}
