/**
 * What members of both protocols do alike: they take turns until they leave, tell what stands in their way, and say farewell.
 *
 *     turn ─► wait ─► turn … ─► leave
 *       └─ fails: told, and another turn; before the first success only what passes is tried again
 */
import { AldebaranError, messageOf } from '../../../errors.ts'
import { isPassing } from '../cluster.ts'
import type { Api } from '../wire/types.ts'
import type { MemberSettings } from './member.ts'
import { Pace } from './pace.ts'

/** A coordinator that does not answer for so long is given up, ms. */
export const ANSWER_MS = 3000
/** How long a farewell is tried, ms: after that the session of the member runs out. */
const LEAVE_MS = 2000

export class Membership {
  readonly pace: Pace
  isLeaving = false
  readonly #settings: MemberSettings
  #problem: string | null = null
  #running: Promise<void> = Promise.resolve()

  constructor(settings: MemberSettings) {
    this.#settings = settings
    this.pace = new Pace(settings.heartbeatMs)
  }

  /**
   * Takes turns from now on. Resolves after the first one that answers true: the group has taken the member in.
   * @throws AldebaranError what will not pass: KAFKA_DENIED …; LOG_CLOSED: it was told to leave before
   */
  async start(turn: () => Promise<boolean>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#running = this.#run(turn, resolve, reject)
    await promise
  }

  /** Takes no more turns; resolves when the one under way is over. */
  async stop(): Promise<void> {
    this.isLeaving = true
    this.pace.hurry()
    await this.#running
  }

  /** Otherwise the group would wait for the member, or keep its tasks, until its session has run out. */
  async sayFarewell<Q>(message: Api<Q, { readonly errorCode: number }>, body: Q): Promise<void> {
    const { cluster, group } = this.#settings
    const options = { purpose: `group ${group}`, forMs: LEAVE_MS }
    await cluster
      .askCoordinator('group', group, message, body, ({ errorCode }) => errorCode, options)
      .catch(error => {
        if (!isPassing(error)) throw error
      })
  }

  /** Null: nothing stands in its way any more. */
  tellProblem(message: string | null): void {
    if (message === this.#problem) return
    this.#problem = message
    this.#settings.listener.problem(message)
  }

  async #run(turn: () => Promise<boolean>, joined: () => void, failed: (error: unknown) => void): Promise<void> {
    let everJoined = false
    while (!this.isLeaving) {
      try {
        if ((await turn()) && !everJoined) {
          everJoined = true
          joined()
        }
      } catch (error) {
        const isOver = error instanceof AldebaranError && error.code === 'LOG_CLOSED'
        if (isOver || (!everJoined && !isPassing(error))) {
          failed(error)
          return
        }
        this.tellProblem(messageOf(error))
        if (error instanceof AldebaranError && error.code === 'KAFKA_UNREACHABLE') await this.#lookAgain()
      }
      if (!this.isLeaving) await this.pace.wait()
    }
    if (!everJoined) failed(new AldebaranError('LOG_CLOSED', 'the member was told to leave before it had joined'))
  }

  async #lookAgain(): Promise<void> {
    const { cluster, group } = this.#settings
    cluster.forgetCoordinator('group', group)
    await cluster.refresh().catch(() => {})
  }
}
