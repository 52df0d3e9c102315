/**
 * The accounts of a running application: read, and changed.
 *
 * 1. A change is done when the delivery has it: every event that comes later is routed by it.
 * 2. Changes of one account by this process come one after the other, each seeing the one before. Those of other nodes
 *    may come between: what cannot be done any more then is refused to who asked for it.
 * 3. While the task of an account goes to another worker or node, whoever asks for the account waits.
 */
import { setTimeout } from 'node:timers/promises'
import { AldebaranError, Producer, partitionOf, type Running } from 'aldebaran'
import { type Account, applyChange, type Change, newAccount } from './accounts.ts'
import { DELIVERY, ROUTED_BY, type Webhooks } from './app.ts'

/** A change is waited for so long, ms, and a task that goes elsewhere. */
const LONGEST_MS = 10_000
const LONGEST_MOVE_MS = 5000
/** Between two looks at the table, ms: the first, and the longest. */
const FIRST_LOOK_MS = 1
const LONGEST_LOOK_MS = 25

export class Directory {
  readonly #webhooks: Webhooks
  readonly #running: Running
  readonly #producer: Producer
  /** The change of each account that is under way; the next one waits for it. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(webhooks: Webhooks, running: Running) {
    this.#webhooks = webhooks
    this.#running = running
    this.#producer = new Producer(running.log)
  }

  /**
   * As events are routed by it now; null: it has never had anything.
   * @throws AldebaranError BUSY, WORKER_DIED: nobody has its task, for longer than it takes to go elsewhere
   */
  async read(id: string): Promise<Account | null> {
    const end = performance.now() + LONGEST_MOVE_MS
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(2 * wait, LONGEST_LOOK_MS)) {
      try {
        return await this.#look(id)
      } catch (error) {
        if (!isOnItsWay(error) || performance.now() > end) throw error
      }
      await setTimeout(wait)
    }
  }

  /**
   * `make` is given the account as it is and says what is to be changed; undefined: nothing.
   * @throws AldebaranError what `make` throws; VALUE_INVALID, NOT_FOUND if it cannot be changed so; BUSY if it is not
   *   known to be done: it may be done later
   */
  change(id: string, make: (account: Account) => Change | undefined): Promise<Account> {
    const before = this.#turns.get(id) ?? Promise.resolve()
    const changed = before.then(async () => {
      const account = (await this.read(id)) ?? newAccount(id)
      const change = make(account)
      if (change === undefined) return account
      applyChange(account, change, account.change)
      this.#producer.send(this.#webhooks.changes, id, change)
      const { offsets } = await this.#producer.flush()
      return await this.#until(id, account, change, offsets[0]!)
    })
    const turn = changed
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(id) === turn) this.#turns.delete(id)
      })
    this.#turns.set(id, turn)
    return changed
  }

  /** Offsets of one partition only grow: later changes hold this one. */
  async #until(id: string, before: Account, change: Change, offset: number): Promise<Account> {
    const end = performance.now() + LONGEST_MS
    let seen = before
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(2 * wait, LONGEST_LOOK_MS)) {
      const account = (await this.read(id)) ?? seen
      if (account.change >= offset) return account
      if (account.change !== seen.change) refuseIfGone(account, change)
      seen = account
      if (performance.now() > end) {
        throw new AldebaranError('BUSY', `the change of account ${id} is durable, and not in effect yet`)
      }
      await setTimeout(wait)
    }
  }

  async #look(id: string): Promise<Account | null> {
    const key = Buffer.from(id)
    const partition = partitionOf(key, 0, key.length, this.#webhooks.accounts.options.partitions)
    const query = { kind: 'get', pipeline: DELIVERY, table: ROUTED_BY, partition, key } as const
    const rows = await this.#running.query(query)
    if (rows === undefined) throw new AldebaranError('BUSY', `account ${id} is being restored`)
    const { value } = (rows[0]?.fields ?? {}) as { value?: Uint8Array }
    return value === undefined ? null : (JSON.parse(Buffer.from(value).toString()) as Account)
  }
}

/** @throws AldebaranError NOT_FOUND: what it changes was deleted before its turn came; ids do not come back */
function refuseIfGone(account: Account, change: Change): void {
  try {
    applyChange(account, change, account.change)
  } catch (error) {
    if (error instanceof AldebaranError && error.code === 'NOT_FOUND') throw error
  }
}

function isOnItsWay(error: unknown): boolean {
  return error instanceof AldebaranError && (error.code === 'BUSY' || error.code === 'WORKER_DIED')
}
