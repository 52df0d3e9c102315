import { randomUUID } from 'node:crypto'
import type { Log } from '../../src/log/contract.ts'
import { type KafkaHost, openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { describeLog } from '../contract/log-contract.ts'
import type { LogSession } from '../contract/log-session.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { namespaced } from './namespaced-log.ts'

const { bootstrap } = parseKafkaLocation(`kafka://${(await kafkaBroker()).bootstrap}`, {})

function session(host: KafkaHost, prefix: string, open: () => Promise<KafkaHost>): LogSession {
  let next: LogSession | null = null
  return {
    client: () => namespaced(host.client(), prefix),
    reopen: async () => {
      await host.close()
      next = session(await open(), prefix, open)
      return next
    },
    end: async () => {
      if (next !== null) {
        await host.close()
        return await next.end()
      }
      const log: Log = host.client()
      for (const topic of log.topics({ internal: true }))
        if (topic.name.startsWith(prefix)) await log.deleteTopic(topic.name)
      await host.close()
    },
  }
}

for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
  describeLog({
    name: `Kafka, ${guarantee}`,
    remote: true,
    open: async () => {
      const open = (): Promise<KafkaHost> => openKafka({ bootstrap, guarantee, node: `node-${randomUUID()}` })
      return session(await open(), `c${randomUUID().slice(0, 8)}.`, open)
    },
  })
}
