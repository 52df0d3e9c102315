/** Which endpoints of an account want an event. Filters are compiled once for each state of an account. */
import type { Account, Endpoint } from './accounts.ts'

/** Types whose endpoints are remembered, of one account. */
const MOST_REMEMBERED = 1000

export class Subscriptions {
  readonly #exact = new Map<string, Set<string>>()
  /** 'invoice.' of 'invoice.*'; '' of '*'. */
  readonly #beginnings: [beginning: string, id: string][] = []
  readonly #endpoints: ReadonlyMap<string, Endpoint>
  readonly #remembered = new Map<string, readonly string[]>()

  constructor(account: Account) {
    this.#endpoints = new Map(account.endpoints.map(endpoint => [endpoint.id, endpoint]))
    for (const { id, types, status } of account.endpoints) {
      if (status !== 'enabled') continue
      for (const type of types) {
        if (type.endsWith('*')) this.#beginnings.push([type.slice(0, -1), id])
        else this.#exact.set(type, (this.#exact.get(type) ?? new Set()).add(id))
      }
    }
  }

  endpoint(id: string): Endpoint | undefined {
    return this.#endpoints.get(id)
  }

  /** Ids of the enabled endpoints that want it. */
  of(type: string): readonly string[] {
    let ids = this.#remembered.get(type)
    if (ids !== undefined) return ids
    const found = new Set(this.#exact.get(type))
    for (const [beginning, id] of this.#beginnings) if (type.startsWith(beginning)) found.add(id)
    ids = [...found]
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear()
    this.#remembered.set(type, ids)
    return ids
  }
}

/** One for each object of an account, as long as that lives. */
export class SubscriptionCache {
  readonly #compiled = new WeakMap<Account, Subscriptions>()

  of(account: Account): Subscriptions {
    let subscriptions = this.#compiled.get(account)
    if (subscriptions === undefined) {
      subscriptions = new Subscriptions(account)
      this.#compiled.set(account, subscriptions)
    }
    return subscriptions
  }
}
