import { AldebaranError } from '../errors.ts'
import type { Log } from '../log/contract.ts'
import { openLog } from '../log/host.ts'
import { isKafkaLocation } from '../log/kafka/location.ts'
import { embedded, kafka, type LogLocation } from '../runtime/log-location.ts'

export const LOG_HELP = 'a folder, or kafka://HOST:PORT,… (or ALDEBARAN_LOG)'

/** Where a text says that a log is: the location of a Kafka cluster, else a folder. */
export function locationOf(text: string, environment: NodeJS.ProcessEnv): LogLocation {
  return isKafkaLocation(text) ? kafka(text, { environment }) : embedded(text)
}

/** What `--log` says, else ALDEBARAN_LOG; undefined: neither says anything. */
export function givenLog(option: string | undefined, environment: NodeJS.ProcessEnv): LogLocation | undefined {
  const text = option ?? environment.ALDEBARAN_LOG
  return text === undefined || text === '' ? undefined : locationOf(text, environment)
}

/** A log that a command works on by itself, without an application. */
export interface ToolLog {
  /** For people: without secrets. */
  readonly description: string
  /** For looking, and for what may happen twice. */
  readonly log: Log
  /**
   * A client for writing under a name: what another one of that name has open is ended, and it is refused from then on.
   * Closed with the log, or before.
   */
  sole(name: string): Promise<Log>
  /** Those of the groups that have members now, with what Kafka says of them. A folder that is open here has none. */
  activeGroups(groups: readonly string[]): Promise<Map<string, string>>
  close(): Promise<void>
}

/**
 * @param readOnly another process may be writing to the folder
 * @throws AldebaranError NOT_FOUND when the folder is to be read and holds no log; STORE_LOCKED, KAFKA_UNREACHABLE …
 */
export async function openToolLog(location: LogLocation, readOnly: boolean): Promise<ToolLog> {
  return location.kind === 'kafka' ? await openOnKafka(location) : await openFolder(location, readOnly)
}

async function openFolder(
  { path, durability, maxBytes }: Extract<LogLocation, { kind: 'embedded' }>,
  readOnly: boolean,
): Promise<ToolLog> {
  const { storesIn } = await import('./store-check.ts')
  if (readOnly && storesIn(path)[0] !== path) {
    throw new AldebaranError('NOT_FOUND', `there is no log in ${path}`, { path })
  }
  const host = await openLog({ path, durability, maxBytes, readOnly })
  const log = host.client()
  return {
    description: path,
    log,
    sole: async () => log,
    activeGroups: async () => new Map(),
    close: () => host.close(),
  }
}

async function openOnKafka({ location, description }: Extract<LogLocation, { kind: 'kafka' }>): Promise<ToolLog> {
  const { openKafka } = await import('../log/kafka/host.ts')
  const { groupStates } = await import('../log/kafka/offsets.ts')
  const { bootstrap, security, compression, replication } = location
  const host = await openKafka({
    bootstrap,
    security,
    node: `tool-${process.pid}`,
    ...(compression === undefined ? {} : { compression }),
    ...(replication === undefined ? {} : { replication }),
  })
  return {
    description,
    log: host.client(),
    sole: async name => {
      const log = host.soleClient(name)
      // Ends what is open before anything is read.
      await log.positionsOf([])
      return log
    },
    activeGroups: async groups => {
      const states = await groupStates(host.cluster)
      const active = groups.filter(group => !MEMBERLESS.has(states.get(group) ?? 'Dead'))
      return new Map(active.map(group => [group, states.get(group)!]))
    },
    close: () => host.close(),
  }
}

const MEMBERLESS: ReadonlySet<string> = new Set(['Empty', 'Dead'])
