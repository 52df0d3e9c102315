/** What must be there after the crashes, computed from the messages alone, with the rules of the auditor. */
import { type AlertKind, type BookRow, newBook, purchase, request } from '../apps/audit/rules.ts'
import { AlertCheck } from './audit-check.ts'
import type { CrashEnd, Message } from './crash-process.ts'

export interface Verdict {
  alerts: number
  missing: number
  duplicates: number
  unexpected: number
  /** Messages that were processed less or more than once, by the offsets. */
  lost: number
  deadLetters: number
  books: number
  /** Books that are not what the messages of their order make of them. */
  wrongBooks: number
  /** The first of them, for a person to look at. */
  samples: readonly string[]
}

const SAMPLES = 5
/** No book is due while a run lasts, so the time does not matter. */
const NOW = 1
const DELTA_MS = 1

export class CrashCheck {
  readonly #books = new Map<number, BookRow>()
  readonly #alerts = new AlertCheck()
  #messages = 0

  /** Told of every message once, in their order. */
  add([order, purchaseId, shares, stock, client]: Message): void {
    this.#messages++
    let book = this.#books.get(order)
    if (book === undefined) {
      book = newBook()
      this.#books.set(order, book)
    }
    const kind: AlertKind | null =
      purchaseId === 0
        ? request(book, shares, NOW, DELTA_MS, client, stock)
        : purchase(book, shares, NOW, NOW, DELTA_MS, stock)
    if (kind !== null) this.#alerts.expect(order, kind)
  }

  verdict(end: CrashEnd): Verdict {
    for (const [order, kind] of end.alerts) this.#alerts.see(order, kind)
    const alerts = this.#alerts.samples(SAMPLES)
    const samples = [
      ...alerts.missing.map(one => `missing ${one}`),
      ...alerts.unexpected.map(one => `unexpected ${one}`),
    ]
    const left = new Set(this.#books.keys())
    let wrongBooks = 0
    for (const [order, state, requested, purchased] of end.books) {
      const book = this.#books.get(order)
      const once = left.delete(order)
      if (once && book?.state === state && book.requested === requested && book.purchased === purchased) continue
      wrongBooks++
      if (samples.length < 2 * SAMPLES) {
        samples.push(`book ${order} ${state} ${requested} ${purchased}, not ${JSON.stringify(book)}`)
      }
    }
    for (const order of left) {
      wrongBooks++
      if (samples.length < 2 * SAMPLES) samples.push(`book ${order} is not there`)
    }
    return {
      alerts: this.#alerts.seen,
      missing: this.#alerts.missing,
      duplicates: this.#alerts.duplicates,
      unexpected: this.#alerts.unexpected,
      lost: Math.abs(this.#messages - end.records) + Math.abs(end.records - end.processed),
      deadLetters: end.deadLetters,
      books: end.books.length,
      wrongBooks,
      samples,
    }
  }
}

export function isCorrect(verdict: Verdict): boolean {
  const { missing, duplicates, unexpected, lost, deadLetters, wrongBooks } = verdict
  return missing + duplicates + unexpected + lost + deadLetters + wrongBooks === 0
}
