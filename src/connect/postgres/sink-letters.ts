import { sendDeadLetter } from '../../runtime/dead-letters.ts'
import { Outputs } from '../../runtime/outputs.ts'
import type { Running } from '../../runtime/start.ts'
import type { SinkLetter } from './sink-batch.ts'

/** A unit of the log, bytes. */
const UNIT_BYTES = 2 ** 20

/** The dead letters of a sink: those it has sent, by the place of their record, so that none is sent again here. */
export class SinkLetters {
  readonly #name: string
  readonly #topic: string
  readonly #running: Running
  readonly #outputs = new Outputs()
  /** By partition, the offsets of those that lie at its position or behind it. */
  readonly #sent = new Map<number, Set<number>>()

  constructor(name: string, topic: string, running: Running) {
    this.#name = name
    this.#topic = topic
    this.#running = running
  }

  /** Resolves when all are durable. @throws what the log says: they are sent again then */
  async send(partition: number, letters: readonly SinkLetter[]): Promise<void> {
    const sent = this.#sent.get(partition) ?? new Set<number>()
    this.#sent.set(partition, sent)
    let waiting: number[] = []
    const flush = async (): Promise<void> => {
      const appends: { topic: string; partition: number; batch: Uint8Array }[] = []
      this.#outputs.finishInto(appends)
      const committed = this.#running.log.commit({ appends })
      this.#outputs.begin()
      await committed
      for (const offset of waiting) sent.add(offset)
      waiting = []
    }
    for (const letter of letters) {
      if (sent.has(letter.offset)) continue
      this.#add(partition, letter)
      waiting.push(letter.offset)
      if (this.#outputs.bytes >= UNIT_BYTES) await flush()
    }
    if (waiting.length > 0) await flush()
  }

  /** The database has what lies before `position`. @returns how many letters of it were sent here */
  passed(partition: number, position: number): number {
    const sent = this.#sent.get(partition)
    let count = 0
    for (const offset of sent ?? []) {
      if (offset >= position) continue
      sent!.delete(offset)
      count++
    }
    return count
  }

  #add(partition: number, { offset, timestamp, record, error }: SinkLetter): void {
    const { application, clock } = this.#running
    const origin = { pipeline: this.#name, topic: this.#topic, partition, offset, timestamp, timer: null }
    sendDeadLetter(this.#outputs, application.deadLetters, origin, record, error, clock.now())
  }
}
