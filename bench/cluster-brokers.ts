import type { Endpoint } from '../src/log/kafka/wire/connection.ts'

/** `host:port,host:port` */
export function endpointsOf(brokers: string): Endpoint[] {
  return brokers.split(',').map(broker => {
    const [host = '', port = ''] = broker.split(':')
    return { host, port: Number(port) }
  })
}
