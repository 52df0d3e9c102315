/**
 * The changes of late, in the order in which they came to be seen here, for those who follow them.
 *
 * 1. A change has a sequence number, and an id that every node understands: the offset seen last of each partition. Whoever
 *    has seen it has seen what lies at or before these offsets.
 * 2. `find` answers only if every change after the id is here still: what was forgotten is known by its offset.
 */
import { eventText } from 'aldebaran'
import type { Forecast } from '../schemas.ts'

export interface Change {
  /** Number of the city. */
  readonly city: number
  readonly partition: number
  readonly offset: number
  readonly id: string
  readonly forecast: Forecast
  /** As it is written to a stream, once it was. */
  text: string | null
}

const ID = /^\d{1,4}:-?\d{1,16}(?:,\d{1,4}:-?\d{1,16})*$/

export class Changes {
  readonly #ring: (Change | null)[]
  /** Offset seen last, by partition; -1: none. */
  readonly #seen: number[]
  /** Of the changes that were forgotten, and of what was there before. */
  readonly #forgotten: number[]
  #first = 0
  #next = 0

  /** @param most changes that are kept */
  constructor(most: number, partitions: number) {
    this.#ring = new Array<Change | null>(most).fill(null)
    this.#seen = new Array<number>(partitions).fill(-1)
    this.#forgotten = [...this.#seen]
  }

  /** Sequence number of the oldest change that is here, if there is one. */
  get first(): number {
    return this.#first
  }

  /** Sequence number of the next change. */
  get next(): number {
    return this.#next
  }

  /** Of the newest change. */
  get id(): string {
    return this.#seen.map((offset, partition) => `${partition}:${offset}`).join(',')
  }

  at(sequence: number): Change {
    return this.#ring[sequence % this.#ring.length]!
  }

  add(city: number, partition: number, offset: number, forecast: Forecast): void {
    this.#seen[partition] = offset
    const place = this.#next % this.#ring.length
    const before = this.#ring[place]
    if (before) {
      this.#forgotten[before.partition] = before.offset
      this.#first++
    }
    this.#ring[place] = { city, partition, offset, id: this.id, forecast, text: null }
    this.#next++
  }

  /** That offset was seen before anyone followed the changes. */
  passOver(partition: number, offset: number): void {
    this.#seen[partition] = offset
    this.#forgotten[partition] = offset
  }

  /** Offsets by partition; null: that is no id of this topic. */
  parse(id: string): number[] | null {
    if (!ID.test(id)) return null
    const offsets = new Array<number>(this.#seen.length).fill(Number.NaN)
    for (const part of id.split(',')) {
      const [partition, offset] = part.split(':').map(Number)
      if (partition! < offsets.length) offsets[partition!] = offset!
    }
    return offsets.some(Number.isNaN) ? null : offsets
  }

  /** Where one who has seen these offsets goes on; null: something in between is not here any more. */
  find(offsets: readonly number[]): number | null {
    return offsets.every((offset, partition) => offset >= this.#forgotten[partition]!) ? this.#first : null
  }

  textOf(change: Change): string {
    change.text ??= eventText('forecast', JSON.stringify(change.forecast), change.id)
    return change.text
  }
}
