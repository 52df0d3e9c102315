/** A broker of the test's own, for applications whose topics have one name each, and a client that is none of theirs. */
import type { Log } from '../../src/log/contract.ts'
import { type KafkaHost, openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import type { KafkaCluster } from '../servers/kafka-cluster.ts'

export class OwnBroker implements AsyncDisposable {
  readonly bootstrap: string
  readonly log: Log
  readonly #broker: KafkaCluster
  readonly #outside: KafkaHost

  private constructor(broker: KafkaCluster, outside: KafkaHost) {
    this.bootstrap = broker.bootstrap
    this.log = outside.client()
    this.#broker = broker
    this.#outside = outside
  }

  static async begin(): Promise<OwnBroker> {
    const broker = await kafkaBroker({})
    const { bootstrap } = parseKafkaLocation(`kafka://${broker.bootstrap}`, {})
    return new OwnBroker(broker, await openKafka({ bootstrap, node: 'outside' }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#outside.close()
    await this.#broker.end()
  }
}
