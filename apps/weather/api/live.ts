/**
 * Clients that follow the changes of some cities, or of all, as server-sent events.
 *
 * 1. A client gets each change of its cities once, in the order of the log for each city, or is told that it missed some:
 *    an event `reset`, and then the newest values of its cities as they are, and an event `current`.
 * 2. Nothing is kept for a client that is slow: it has a place among the changes, which it reads on from when it takes
 *    again. When its place was forgotten meanwhile, 1 says what it gets.
 * 3. The changes of a turn are sent together, and a client that has much to get does so in turns with other work.
 */
import { AldebaranError, type EventStream, eventText } from 'aldebaran'
import type { Forecast } from '../schemas.ts'
import type { Changes } from './changes.ts'

/** Written at once, about; characters. */
const PIECE = 32 * 1024
/** Changes and cities looked at in a turn, for a client. */
const LOOKED_AT = 4096

export interface LiveSettings {
  changes: Changes
  /** The newest value of a city, by number. */
  latest: (city: number) => Forecast | null
  /** Of all cities. */
  cities: number
  /** Clients at most. */
  most: number
}

export interface Follow {
  /** By number; null: all. */
  cities: ReadonlySet<number> | null
  /** The newest values come first. */
  current: boolean
  lastEventId: string | undefined
}

export class Live {
  readonly #settings: LiveSettings
  readonly #followers = new Set<Follower>()
  #scheduled = false

  constructor(settings: LiveSettings) {
    this.#settings = settings
  }

  get count(): number {
    return this.#followers.size
  }

  /** @throws AldebaranError BUSY: there are too many clients */
  requireRoom(): void {
    if (this.#followers.size < this.#settings.most) return
    throw new AldebaranError('BUSY', `${this.#settings.most} clients follow the changes already`)
  }

  add(stream: EventStream, follow: Follow): void {
    const follower = new Follower(this.#settings, stream, follow)
    this.#followers.add(follower)
    stream.onReady = () => follower.pump()
    stream.onClose(() => this.#followers.delete(follower))
    follower.begin()
  }

  /** There are changes: they are sent when the turn is over. */
  changed(): void {
    if (this.#scheduled || this.#followers.size === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      for (const follower of [...this.#followers]) follower.pump()
    })
  }

  close(comment: string): void {
    for (const { stream } of [...this.#followers]) stream.close(comment)
  }
}

class Follower {
  readonly stream: EventStream
  readonly #settings: LiveSettings
  readonly #follow: Follow
  /** Sequence number of the change to look at next. */
  #next: number
  /** Changes at or before these offsets were seen on another connection; null: there are none. */
  #seen: readonly number[] | null = null
  /** The city whose newest value comes next; null: changes come. */
  #current: number | null = null
  #currentId = ''
  #scheduled = false

  constructor(settings: LiveSettings, stream: EventStream, follow: Follow) {
    this.stream = stream
    this.#settings = settings
    this.#follow = follow
    this.#next = settings.changes.next
  }

  begin(): void {
    const { changes } = this.#settings
    const { lastEventId, current } = this.#follow
    if (lastEventId === undefined) {
      this.stream.send('begin', { resumed: false }, changes.id)
      if (current) this.#sendCurrent()
    } else {
      this.#seen = changes.parse(lastEventId)
      const place = this.#seen === null ? null : changes.find(this.#seen)
      if (place === null) this.#reset(this.#seen === null ? 'the Last-Event-ID is none of this stream' : FORGOTTEN)
      else {
        this.#next = place
        this.stream.send('begin', { resumed: true })
      }
    }
    this.pump()
  }

  pump(): void {
    if (this.#scheduled || !this.stream.ready) return
    const isDone = this.#current === null ? this.#sendChanges() : this.#sendValues()
    if (isDone || !this.stream.ready) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.pump()
    })
  }

  /** False: there is more. */
  #sendChanges(): boolean {
    const { changes } = this.#settings
    const { cities } = this.#follow
    if (this.#next < changes.first) {
      this.#reset(FORGOTTEN)
      return false
    }
    const until = Math.min(changes.next, this.#next + LOOKED_AT)
    let piece = ''
    while (this.#next < until && piece.length < PIECE) {
      const change = changes.at(this.#next++)
      if (cities !== null && !cities.has(change.city)) continue
      if (this.#seen !== null && change.offset <= this.#seen[change.partition]!) continue
      piece += changes.textOf(change)
    }
    if (piece !== '') this.stream.sendReady(piece)
    return this.#next === changes.next
  }

  #reset(reason: string): void {
    this.stream.send('reset', { reason })
    this.#seen = null
    this.#sendCurrent()
  }

  /** From here on: what changes meanwhile comes behind, and may repeat what was sent. */
  #sendCurrent(): void {
    const { changes } = this.#settings
    this.#next = changes.next
    this.#currentId = changes.id
    this.#current = 0
  }

  #sendValues(): boolean {
    const { latest, cities: count } = this.#settings
    const { cities } = this.#follow
    const until = Math.min(count, this.#current! + LOOKED_AT)
    let piece = ''
    let city = this.#current!
    for (; city < until && piece.length < PIECE; city++) {
      if (cities !== null && !cities.has(city)) continue
      const forecast = latest(city)
      if (forecast !== null) piece += eventText('forecast', JSON.stringify(forecast))
    }
    this.#current = city === count ? null : city
    if (this.#current === null) piece += eventText('current', '{}', this.#currentId)
    this.stream.sendReady(piece)
    return false
  }
}

const FORGOTTEN = 'changes since then are not known here any more'
