/** A producer's identity at the brokers: its id, its epoch, and the next sequence number of each partition. */
import { type Cluster, refusal } from './cluster.ts'
import { initProducerId } from './wire/data-messages.ts'
import { NONE } from './wire/error-codes.ts'

const SEQUENCES = 2 ** 31

export class UnitProducer {
  /** Null: idempotent only. */
  readonly transactionalId: string | null
  id = -1
  epoch = -1
  /** A transaction of it is open, or being ended. */
  busy = false
  readonly #sequences = new Map<string, number>()
  #isUncertain = false
  readonly #cluster: Cluster
  readonly #timeoutMs: number

  constructor(cluster: Cluster, transactionalId: string | null, timeoutMs: number) {
    this.#cluster = cluster
    this.transactionalId = transactionalId
    this.#timeoutMs = timeoutMs
  }

  /** Its identity can be used. */
  get initialised(): boolean {
    return this.id >= 0 && !this.#isUncertain
  }

  /** What it has open is to be given up before it is used again. */
  doubt(): void {
    this.#isUncertain = true
  }

  /** Somebody else has the identity, or it is of no use any more: the next one is asked for anew. */
  forget(): void {
    this.id = -1
    this.epoch = -1
  }

  /**
   * Gets an identity, or the next epoch of the one it has: that ends whatever transaction was open. Anew it fences who had the
   * transactional id before; else it is fenced itself when somebody took it over.
   * @throws AldebaranError FENCED, KAFKA_UNREACHABLE …
   */
  async initialise(): Promise<void> {
    const { transactionalId, id: producerId, epoch: producerEpoch } = this
    const body = { transactionalId, transactionTimeoutMs: this.#timeoutMs, producerId, producerEpoch }
    let answer: { errorCode: number; producerId: number; producerEpoch: number }
    if (transactionalId === null) {
      answer = await (await this.#cluster.any()).request(initProducerId, { ...body, producerId: -1, producerEpoch: -1 })
    } else {
      answer = await this.#cluster.askCoordinator(
        'transaction',
        transactionalId,
        initProducerId,
        body,
        one => one.errorCode,
      )
    }
    if (answer.errorCode !== NONE) {
      throw refusal(
        answer.errorCode,
        transactionalId === null ? 'a producer id' : `transactional id ${transactionalId}`,
      )
    }
    this.#isUncertain = false
    this.next(answer.producerId, answer.producerEpoch)
  }

  /** The identity of the next transaction. */
  next(id: number, epoch: number): void {
    this.id = id
    this.epoch = epoch
    this.#sequences.clear()
  }

  /** The sequence number of the first of `records` records for a partition. */
  sequence(topic: string, partition: number, records: number): number {
    const key = `${topic}/${partition}`
    const sequence = this.#sequences.get(key) ?? 0
    this.#sequences.set(key, (sequence + records) % SEQUENCES)
    return sequence
  }
}

/** Fences a transactional id in the name of another: what it had open is aborted. */
export async function fenceTransactionalId(cluster: Cluster, transactionalId: string): Promise<void> {
  await new UnitProducer(cluster, transactionalId, FENCING_TIMEOUT_MS).initialise()
}

const FENCING_TIMEOUT_MS = 10_000
