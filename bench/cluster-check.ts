/**
 * What must come of the trades that were sent, computed from their sequence alone.
 *
 * Requests and purchases of an order may overtake each other on their way through two topics, so only what does not
 * depend on that is compared: which alerts there are, the state of each book, and the sums of those that are open.
 */
import type { AlertKind, BookState } from '../apps/audit/rules.ts'
import { TradeSource } from '../apps/audit/source.ts'
import { AlertCheck } from './audit-check.ts'
import type { NodeBooks } from './cluster-node.ts'

export interface Sequence {
  rate: number
  seed: number
  overbought: number
  /** Books have their deadlines while the run lasts. */
  timers: boolean
}

interface Order {
  requested: number
  purchased: number
}

const SAMPLES = 5

export class ClusterCheck {
  readonly alerts = new AlertCheck()
  readonly #orders = new Map<number, Order>()
  readonly #keepsBooks: boolean

  constructor({ rate, seed, overbought, timers }: Sequence, messages: number) {
    this.#keepsBooks = !timers
    const expect = (order: number, kind: AlertKind): void => this.alerts.expect(order, kind)
    const source = new TradeSource({ rate, seed, overbought, messages }, timers ? expect : () => {})
    while (source.next()) {
      if (timers) continue
      const order = this.#orders.get(source.orderId) ?? { requested: 0, purchased: 0 }
      if (source.isRequest) order.requested = source.shares
      else order.purchased += source.shares
      this.#orders.set(source.orderId, order)
    }
    for (const [id, order] of this.#orders) if (stateOf(order) === 'CLOSED') this.alerts.expect(id, 'OVERBOUGHT')
  }

  /** How many books are not what they must be, with the first of them. */
  wrongBooks(all: readonly NodeBooks[]): { books: number; wrong: number; samples: string[] } {
    const left = new Set(this.#orders.keys())
    const samples: string[] = []
    let books = 0
    let wrong = 0
    if (!this.#keepsBooks) return { books, wrong, samples }
    const find = (sample: string): void => {
      wrong++
      if (samples.length < SAMPLES) samples.push(sample)
    }
    for (const [id, state, requested, purchased] of all.flatMap(node => node.books)) {
      books++
      const order = this.#orders.get(id)
      const known = left.delete(id)
      const isRight =
        known &&
        order !== undefined &&
        state === stateOf(order) &&
        requested === order.requested &&
        (state === 'CLOSED' || purchased === order.purchased)
      if (!isRight) find(`book ${id} ${state} ${requested} ${purchased}, not ${JSON.stringify(order)}`)
    }
    for (const id of left) find(`book ${id} is not there, of ${JSON.stringify(this.#orders.get(id))}`)
    return { books, wrong, samples }
  }
}

function stateOf({ requested, purchased }: Order): BookState {
  if (requested === 0) return 'WAITING'
  return purchased > requested ? 'CLOSED' : 'OPEN'
}
