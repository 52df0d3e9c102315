import type { Attempt } from '../../delivery/contract.ts'
import { DeliveryError, type DeliveryFate } from '../../delivery/delivery-error.ts'
import { AldebaranError, type ErrorCode, messageOf } from '../../errors.ts'
import type { Topic } from '../../pipeline/topic.ts'
import type { Producer } from '../../runtime/producer.ts'
import { type AlertChannel, type AlertMessage, type AlertRecord, accept, recipientOf, recordOf } from './channel.ts'
import { requireText } from './options.ts'

/** A topic of the log, or another bus. */
export type TopicSettings = { name?: string } & (
  | {
      topic: Topic<string, AlertRecord>
      producer: Producer
      /** Default: the source of the alert. */
      key?: (message: AlertMessage, attempt: Attempt) => string
    }
  /** Resolves when it is there for certain; what it throws is `unknown`, unless it is a `DeliveryError`. */
  | { publish: (record: AlertRecord, attempt: Attempt) => Promise<unknown>; idempotent?: boolean }
)

/** Nothing of the unit was written. */
const CERTAIN: readonly ErrorCode[] = ['STORE_FULL', 'DISK_FULL', 'BUSY', 'SCHEMA_PENDING', 'REGISTRY_UNREACHABLE']
/** It will not fit a second time either. */
const HOPELESS: readonly ErrorCode[] = ['VALUE_INVALID', 'BATCH_TOO_LARGE', 'TOPIC_UNKNOWN', 'KAFKA_DENIED']

/**
 * The alert, with `id`, as a record of a topic. What is under way when it is closed is still written: its log is not its own.
 * @throws AldebaranError OPTION_INVALID
 */
export function topicChannel(settings: TopicSettings): AlertChannel {
  const name = requireText('name', settings.name ?? 'topic')
  if ('publish' in settings) {
    const { publish, idempotent = false } = settings
    const send = async (message: AlertMessage, attempt: Attempt) => {
      await publish(recordOf(accept(message, attempt), attempt), attempt)
    }
    return { name, idempotent, send, close: () => {} }
  }
  const { topic, producer, key = ({ source }) => source } = settings
  return {
    name,
    idempotent: false,
    async send(given, attempt) {
      const message = accept(given, attempt)
      const of = recipientOf(key, message, attempt)
      try {
        producer.send(topic, of, recordOf(message, attempt), { timestamp: message.time })
        await producer.flush()
      } catch (error) {
        throw new DeliveryError(fateOf(error), `${topic.name}: ${messageOf(error)}`, { cause: error })
      }
    },
    close: () => {},
  }
}

function fateOf(error: unknown): DeliveryFate {
  if (!(error instanceof AldebaranError)) return 'unknown'
  if (CERTAIN.includes(error.code)) return 'retry'
  return HOPELESS.includes(error.code) ? 'reject' : 'unknown'
}
