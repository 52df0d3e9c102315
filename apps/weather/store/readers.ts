/**
 * Where forecasts are read from: the replicas in turn, and the primary when none of them answers.
 *
 * 1. A replica that does not answer, or refuses (the password, a table that is not there yet), is left alone for a while,
 *    and the next one is asked.
 * 2. What is told in the end is what the primary says.
 */
import { AldebaranError } from 'aldebaran'
import { type Database, type DatabaseSession, openPool } from 'aldebaran/postgres'

export interface Reader {
  query<R extends object>(text: string, values?: readonly unknown[]): Promise<R[]>
  close(): Promise<void>
}

const LEFT_ALONE_MS = 5000

/** One session, made when it is needed and again when it was lost. */
export class SessionReader implements Reader {
  readonly #database: Database
  #session: Promise<DatabaseSession> | null = null

  constructor(database: Database) {
    this.#database = database
  }

  async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    const opening = this.#open()
    try {
      return (await (await opening).query<R>(text, values)).rows
    } catch (error) {
      if (error instanceof AldebaranError && error.code === 'POSTGRES_UNAVAILABLE') this.#lose(opening)
      throw error
    }
  }

  async close(): Promise<void> {
    const session = await this.#session?.catch(() => null)
    this.#session = null
    await session?.close()
  }

  #open(): Promise<DatabaseSession> {
    if (this.#session !== null) return this.#session
    const opening = this.#database.connect('aldebaran weather reads', () => this.#lose(opening))
    this.#session = opening
    opening.catch(() => this.#lose(opening))
    return opening
  }

  #lose(opening: Promise<DatabaseSession>): void {
    if (this.#session !== opening) return
    this.#session = null
    void opening.then(session => session.close()).catch(() => {})
  }
}

/** In turn; the last one is asked only when none of the others answers. */
export class Readers implements Reader {
  readonly #replicas: readonly Reader[]
  readonly #primary: Reader
  readonly #now: () => number
  readonly #aloneUntil: number[]
  #turn = 0

  constructor(replicas: readonly Reader[], primary: Reader, now: () => number = Date.now) {
    this.#replicas = replicas
    this.#primary = primary
    this.#now = now
    this.#aloneUntil = replicas.map(() => 0)
  }

  static async open(urls: readonly string[], primary: Database): Promise<Readers> {
    const replicas = await Promise.all(urls.map(url => openPool(url, { applicationName: 'aldebaran weather reads' })))
    return new Readers(replicas, new SessionReader(primary))
  }

  async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    const count = this.#replicas.length
    const first = this.#turn++
    for (let i = 0; i < count; i++) {
      const at = (first + i) % count
      if (this.#aloneUntil[at]! > this.#now()) continue
      try {
        return await this.#replicas[at]!.query<R>(text, values)
      } catch {
        this.#aloneUntil[at] = this.#now() + LEFT_ALONE_MS
      }
    }
    return await this.#primary.query<R>(text, values)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#replicas, this.#primary].map(reader => reader.close()))
  }
}
