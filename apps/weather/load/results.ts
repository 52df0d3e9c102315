/** What the platform tells of the readings of a run: forecasts as they come, late readings and dead letters when asked for. */
import { TOPICS } from '../app.ts'
import type { Forecast } from '../schemas.ts'
import type { Account } from './account.ts'
import type { LoadApi, Platform } from './platform.ts'
import { TopicFeed } from './topic-feed.ts'

interface Letter {
  offset: number
  state: string
  key: unknown
}

const PAGE = 1000

export class Results {
  readonly #api: LoadApi
  readonly #account: Account
  readonly #application: string
  readonly #forecasts: TopicFeed
  readonly #late: TopicFeed
  #newestLetter: number

  /** @param measure is called with ms from the end of a window to its forecast */
  constructor(api: LoadApi, account: Account, platform: Platform, measure: (ms: number) => void) {
    this.#api = api
    this.#account = account
    this.#application = platform.application
    this.#newestLetter = platform.newestLetter
    this.#forecasts = new TopicFeed(api, TOPICS.forecasts, platform.forecasts, ({ value }) => {
      // What does not fit its schema is no forecast.
      if (value === null) return
      const forecast = value as Forecast
      if (account.forecast(forecast) && forecast.timing === 'onTime') measure(Date.now() - forecast.windowEnd)
    })
    this.#late = new TopicFeed(api, TOPICS.late, platform.late, ({ key }) => account.late(key))
  }

  /** Until the signal. */
  async follow(signal: AbortSignal): Promise<void> {
    await this.#forecasts.follow(signal)
  }

  /** Takes all that is told by now. */
  async catchUp(): Promise<void> {
    await this.#forecasts.catchUp()
    await this.catchUpElsewhere()
  }

  /** Late readings and dead letters. */
  async catchUpElsewhere(): Promise<void> {
    await this.#late.catchUp()
    await this.#takeLetters()
  }

  /** They come newest first. */
  async #takeLetters(): Promise<void> {
    const known = this.#newestLetter
    const found: Letter[] = []
    for (let before: number | null | undefined; before !== null; ) {
      const page: { letters: Letter[]; before: number | null } = await this.#api.get('/dead-letters', {
        application: this.#application,
        topic: TOPICS.readings,
        limit: PAGE,
        ...(before === undefined ? {} : { before }),
      })
      const fresh = page.letters.filter(letter => letter.offset > known)
      found.push(...fresh)
      before = fresh.length < page.letters.length ? null : page.before
    }
    // Only now: a page that fails would leave a gap.
    this.#newestLetter = Math.max(known, ...found.slice(0, 1).map(letter => letter.offset))
    // One that was replayed is read once more, and told of by then.
    for (const { key, state } of found) if (state !== 'replayed') this.#account.deadLetter(key)
  }
}
