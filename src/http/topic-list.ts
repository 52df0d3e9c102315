import type { Log, TopicInfo } from '../log/contract.ts'

/** How long a list will do, ms. */
const KEPT_MS = 1000

/** The topics of a log as they were at most a second ago, so that not every request that names one has to ask for it. */
export class TopicList {
  readonly #log: Log
  #topics: Promise<ReadonlyMap<string, TopicInfo>> | null = null
  #takenAt = 0

  constructor(log: Log) {
    this.#log = log
  }

  /** Internal ones too. */
  async all(): Promise<ReadonlyMap<string, TopicInfo>> {
    if (this.#topics === null || performance.now() - this.#takenAt > KEPT_MS) return await this.#take()
    return await this.#topics
  }

  /** One that is not in the list may be new. */
  async find(name: string): Promise<TopicInfo | undefined> {
    return (await this.all()).get(name) ?? (await this.#take()).get(name)
  }

  #take(): Promise<ReadonlyMap<string, TopicInfo>> {
    const taken = this.#log.listTopics().then(topics => new Map(topics.map(info => [info.name, info])))
    taken.catch(() => {
      if (this.#topics === taken) this.#topics = null
    })
    this.#topics = taken
    this.#takenAt = performance.now()
    return taken
  }
}
