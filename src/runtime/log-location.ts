import { describeLocation, type KafkaLocation, parseKafkaLocation } from '../log/kafka/location.ts'
import { parseSize } from '../pipeline/units.ts'

/** Where the log is. Made by `embedded` and `kafka`. */
export type LogLocation = EmbeddedLocation | KafkaLogLocation

export interface EmbeddedLocation {
  readonly kind: 'embedded'
  readonly path: string
  readonly durability: 'process' | 'disk'
  readonly maxBytes: number
}

export interface KafkaLogLocation {
  readonly kind: 'kafka'
  readonly location: KafkaLocation
  /** For people: without secrets. */
  readonly description: string
}

export interface EmbeddedSettings {
  /** `disk` (default): a commit survives power loss. `process`: it survives the end of the process, kill -9 too. */
  durability?: 'process' | 'disk'
  /** The most the store may take on disk. Default '64GB'. */
  maxSize?: string | number
}

/** The log in this process, in a folder: no server. */
export function embedded(path: string, settings: EmbeddedSettings = {}): LogLocation {
  return {
    kind: 'embedded',
    path,
    durability: settings.durability ?? 'disk',
    maxBytes: parseSize(settings.maxSize ?? '64GB', 'maxSize'),
  }
}

export interface KafkaSettings {
  /**
   * `exactly-once` (default): a record's effects on state, outputs and positions happen once. `at-least-once`: they may be
   * repeated after a failure; a little less work for the brokers, and outputs are visible sooner.
   */
  guarantee?: 'exactly-once' | 'at-least-once'
  /** Of what is written. Default 'none'. */
  compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  /** Replicas of topics that are created. Default: as the cluster says. */
  replication?: number
  /** Processes that keep a copy of each table beside the one that has it. Default 0. */
  standbys?: number
  /** Folder for copies of tables, so that a restart reads only what is new. Default: none are kept. */
  state?: string
  /** Name of this process among those of the application, the same after a restart. Default: kept in `state`, else random. */
  node?: string
  /** Where this process listens for the others, and is reached by them: HOST:PORT. Default: 127.0.0.1 and a free port. */
  peer?: string
  /** Environment with the secrets (KAFKA_USERNAME …). Default: that of the process. */
  environment?: NodeJS.ProcessEnv
}

/**
 * The log on a Kafka cluster.
 * @param brokers `host:port,host:port`, or a location `kafka://…` as the command line takes it
 * @throws AldebaranError OPTION_INVALID
 */
export function kafka(brokers: string, settings: KafkaSettings = {}): LogLocation {
  const { environment = process.env, ...options } = settings
  const url = brokers.includes('://') ? brokers : `kafka://${brokers}`
  const query = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
    .join('&')
  const separator = url.includes('?') ? '&' : '?'
  const location = parseKafkaLocation(query === '' ? url : `${url}${separator}${query}`, environment)
  return { kind: 'kafka', location, description: describeLocation(location) }
}
