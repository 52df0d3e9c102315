/** A cluster some of whose answers about groups get lost: the broker did what it was asked, and the client cannot know. */
import { AldebaranError } from '../../src/errors.ts'
import { Cluster, type ClusterSettings } from '../../src/log/kafka/cluster.ts'
import type { Connection } from '../../src/log/kafka/wire/connection.ts'
import type { Api } from '../../src/log/kafka/wire/types.ts'

export class LossyCluster extends Cluster {
  /** The share of requests that get lost, and of answers. */
  share = 0
  lost = 0
  readonly #random: () => number

  constructor(settings: ClusterSettings, random: () => number) {
    super(settings)
    this.#random = random
  }

  override async connection(broker: number, purpose: string): Promise<Connection> {
    const connection = await super.connection(broker, purpose)
    if (purpose === 'control') return connection
    const request = async <Q, S>(api: Api<Q, S>, body: Q, timeoutMs?: number): Promise<S> => {
      // A member that never learns its id is waited for by the others until its session has run out: not by this test.
      if ((body as { memberId?: string }).memberId === '') return await connection.request(api, body, timeoutMs)
      if (this.#random() < this.share / 2) throw this.#loss()
      const answer = await connection.request(api, body, timeoutMs)
      if (this.#random() < this.share) throw this.#loss()
      return answer
    }
    const lossy: Pick<Connection, 'request' | 'supports' | 'close'> = {
      request,
      supports: (key, version) => connection.supports(key, version),
      close: () => connection.close(),
    }
    return lossy as Connection
  }

  #loss(): AldebaranError {
    this.lost++
    return new AldebaranError('KAFKA_UNREACHABLE', 'lost')
  }
}
