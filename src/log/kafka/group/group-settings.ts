/**
 * What a streams group is told about itself, kept by the cluster under the group's name.
 *
 * By default a broker waits 3 s for more members before a new group gets its first tasks, and gives tasks out anew at
 * most once a second: a group of ours does neither. Sessions and heartbeats have least values on the broker's side
 * (45 s and 5 s unless its administrator lowered them): what is below them is refused, and the broker's own is in force.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { backOff } from '../back-off.ts'
import { type Cluster, isPassing } from '../cluster.ts'
import { describeConfigs, GROUP_RESOURCE, incrementalAlterConfigs } from '../wire/admin-messages.ts'
import { NONE, nameOfCode } from '../wire/error-codes.ts'

export interface GroupSettings {
  readonly standbys: number
  readonly sessionMs: number
  readonly heartbeatMs: number
}

/** A setting that the brokers did not take, and why. */
export interface RefusedSetting {
  readonly name: string
  readonly value: string
  readonly reason: string
}

const SET = 0
/** Brokers learn of settings within some milliseconds; a group that begins before would wait for its first tasks. */
const LEARN_MS = 2000
/** A broker that does not answer for so long is given up, ms; and so is the whole after a while. */
const ANSWER_MS = 3000
const TRY_MS = 30_000

/**
 * Sets what differs; while the brokers cannot be reached it tries again, for a time. Rights that are missing, and
 * values that are refused, are told, not thrown.
 * @throws AldebaranError KAFKA_UNREACHABLE …
 */
export async function configureGroup(
  cluster: Cluster,
  group: string,
  settings: GroupSettings,
): Promise<RefusedSetting[]> {
  const until = performance.now() + TRY_MS
  for (let tries = 0; ; tries++) {
    try {
      return await setAll(cluster, group, settings)
    } catch (error) {
      if (!isPassing(error) || performance.now() > until) throw error
      cluster.forgetCoordinator('group', group)
      await cluster.refresh().catch(() => {})
      await pause(backOff(tries))
    }
  }
}

async function setAll(
  cluster: Cluster,
  group: string,
  { standbys, sessionMs, heartbeatMs }: GroupSettings,
): Promise<RefusedSetting[]> {
  const wanted = new Map([
    ['streams.num.standby.replicas', String(standbys)],
    ['streams.session.timeout.ms', String(sessionMs)],
    ['streams.heartbeat.interval.ms', String(heartbeatMs)],
    ['streams.initial.rebalance.delay.ms', '0'],
    ['streams.assignment.interval.ms', '0'],
  ])
  const refused: RefusedSetting[] = []
  const there = await readSettings(cluster, group)
  const set: string[] = []
  for (const [name, value] of wanted) {
    if (there?.get(name) === value) continue
    // One by one: of several in one request, one that is refused keeps out the others.
    const reason = await setOne(cluster, group, name, value)
    if (reason === null) set.push(name)
    else refused.push({ name, value, reason })
  }
  const until = performance.now() + LEARN_MS
  for (let tries = 0; set.length > 0 && performance.now() < until; tries++) {
    const now = await readSettings(cluster, group)
    if (now === null || set.every(name => now.get(name) === wanted.get(name))) break
    await pause(backOff(tries, 100))
  }
  return refused
}

async function setOne(cluster: Cluster, group: string, name: string, value: string): Promise<string | null> {
  const connection = await cluster.any()
  if (!connection.supports(incrementalAlterConfigs.key, incrementalAlterConfigs.version)) return 'not supported'
  const resource = { type: GROUP_RESOURCE, name: group, configs: [{ name, operation: SET, value }] }
  const body = { resources: [resource], validateOnly: false }
  const answer = await connection.request(incrementalAlterConfigs, body, ANSWER_MS)
  const result = answer.results[0]
  if (result === undefined || result.errorCode === NONE) return null
  return result.errorMessage ?? nameOfCode(result.errorCode)
}

/** As the coordinator of the group has them; null: they may not be read. */
async function readSettings(cluster: Cluster, group: string): Promise<ReadonlyMap<string, string> | null> {
  const connection = await cluster.connection(await cluster.coordinator('group', group), `group ${group}`)
  const resource = { type: GROUP_RESOURCE, name: group, keys: null }
  const body = { resources: [resource], includeSynonyms: false, includeDocumentation: false }
  const answer = await connection.request(describeConfigs, body, ANSWER_MS)
  const result = answer.results[0]
  if (result === undefined || result.errorCode !== NONE) return null
  return new Map(result.configs.flatMap(({ name, value }) => (value === null ? [] : [[name, value] as const])))
}
