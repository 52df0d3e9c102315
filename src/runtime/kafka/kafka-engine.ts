/**
 * A log on Kafka with everything around it that the other nodes of the application need: membership, failure detection
 * among peers, the burial of dead ones, and questions to the node that has a key.
 */
import { randomUUID } from 'node:crypto'
import { AldebaranError, messageOf } from '../../errors.ts'
import type { LogAddress } from '../../log/client.ts'
import type { Log } from '../../log/contract.ts'
import { buryMember } from '../../log/kafka/group/bury.ts'
import { type KafkaHost, openKafka } from '../../log/kafka/host.ts'
import { fenceTransactionalId } from '../../log/kafka/unit-producer.ts'
import type { RowCopy } from '../../state/contract.ts'
import type { EngineCounters, EngineSettings, LogEngine, NodeView } from '../log-engine.ts'
import type { KafkaLogLocation } from '../log-location.ts'
import { nameOfEndpoint, type PeerInfo } from '../peers/peer-info.ts'
import { PeerMesh } from '../peers/peer-mesh.ts'
import { answerRows, askRows } from '../peers/table-questions.ts'
import { answerWarm, askWarm } from '../peers/warm-questions.ts'
import type { TableQuery } from '../queries.ts'
import { DEFAULT_DIRECTOR_TIMES, KafkaDirector } from './director.ts'
import { openNodeFolder } from './node-folder.ts'

/** A question to another node is answered within this, ms. */
const ASK_MS = 5000
/** Told to the others when tasks were given up: they ask their groups at once. */
interface Moved {
  moved: string
}

export async function openKafkaEngine(log: KafkaLogLocation, settings: EngineSettings): Promise<LogEngine> {
  const { location } = log
  const { application, report } = settings
  const folder = location.stateDir === undefined ? null : openNodeFolder(location.stateDir, report)
  const name = location.node ?? folder?.name ?? randomUUID().slice(0, 8)
  try {
    const host = await openKafka({
      bootstrap: location.bootstrap,
      security: location.security,
      node: `${application.name}.${name}`,
      guarantee: location.guarantee ?? 'exactly-once',
      compression: location.compression ?? 'none',
      ...(location.replication === undefined ? {} : { replication: location.replication }),
      ...(folder === null ? {} : { copies: folder.copies, tables: folder.tables }),
      report,
    })
    const engine = new KafkaEngine(host, log, settings, name, () => folder?.release())
    await engine.listen()
    report('info', 'connected to Kafka', { log: log.description, node: name, cluster: host.cluster.id })
    return engine
  } catch (error) {
    folder?.release()
    throw error
  }
}

class KafkaEngine implements LogEngine {
  readonly #host: KafkaHost
  readonly #settings: EngineSettings
  readonly #location: KafkaLogLocation['location']
  readonly #node: string
  readonly #startedAt = Date.now()
  readonly #mesh: PeerMesh
  readonly #release: () => void
  #director: KafkaDirector | null = null
  #buried = 0
  #endpoint: { host: string; port: number } | null = null

  constructor(host: KafkaHost, log: KafkaLogLocation, settings: EngineSettings, name: string, release: () => void) {
    this.#host = host
    this.#settings = settings
    this.#location = log.location
    // Another start of the same node is another one.
    this.#node = `${name}-${randomUUID().slice(0, 8)}`
    this.#release = release
    const { peer } = log.location
    this.#mesh = new PeerMesh({
      ...(peer === undefined ? {} : { host: peer.host, port: peer.port }),
      secret: process.env.ALDEBARAN_PEER_SECRET ?? null,
      info: () => this.#info(),
      answer: async question =>
        answerWarm(question, (...warm) => this.#director?.warm(...warm) ?? null) ??
        (await (answerRows(question, settings.answer) ?? refuseQuestion())),
      onDead: (dead, why) => void this.#bury(dead, why),
      onMessage: message => {
        const { moved } = message as Partial<Moved>
        this.#director?.hurry(typeof moved === 'string' ? moved : undefined)
      },
      onBuried: by => {
        settings.report('warn', 'other nodes took this one for dead', { by })
        this.#director?.hurry()
      },
      report: settings.report,
    })
  }

  get stopped(): Promise<AldebaranError | null> {
    return this.#host.stopped
  }

  async listen(): Promise<void> {
    await this.#host.cluster.refresh()
    this.#endpoint = await this.#mesh.listen()
  }

  client() {
    return this.#host.client()
  }

  address(): LogAddress {
    return this.#host.address()
  }

  workerAddress(worker: number): LogAddress {
    return this.#host.workerAddress(worker)
  }

  sole(name: string): Log {
    return this.#host.soleClient(name)
  }

  apiChanged(): void {
    this.#mesh.changed()
  }

  release(address: LogAddress): Promise<void> {
    return this.#host.release(address)
  }

  director(): KafkaDirector {
    this.#director = new KafkaDirector({
      ...DEFAULT_DIRECTOR_TIMES,
      application: this.#settings.application,
      cluster: this.#host.cluster,
      node: this.#node,
      endpoint: this.#endpoint,
      rack: null,
      standbys: this.#location.standbys ?? 0,
      protocol: 'auto',
      onEpoch: (worker, group, memberId, epoch) => {
        this.#host.setMembership(worker, group, { memberId, epoch })
        this.#mesh.changed()
      },
      onPeers: () => this.#meet(),
      onMoved: group => this.#mesh.tell({ moved: group } satisfies Moved),
      onWarm: (...warm) => askWarm(this.#mesh, ...warm),
      report: this.#settings.report,
    })
    return this.#director
  }

  async ask(task: string, query: TableQuery): Promise<RowCopy[] | undefined> {
    for (const peers of this.#director?.peers().values() ?? []) {
      const owner = peers.find(({ active }) => active.includes(task))
      if (owner === undefined || this.#isOwn(owner.endpoint)) continue
      return await askRows(this.#mesh, owner.endpoint, query, ASK_MS)
    }
    return undefined
  }

  nodes(): NodeView[] {
    const tasks = new Map<string, { active: string[]; standby: string[] }>()
    for (const peers of this.#director?.peers().values() ?? []) {
      for (const { endpoint, active, standby } of peers) {
        const name = nameOfEndpoint(endpoint)
        const known = tasks.get(name) ?? { active: [], standby: [] }
        tasks.set(name, { active: [...known.active, ...active], standby: [...known.standby, ...standby] })
      }
    }
    const view = (endpoint: string): { active: string[]; standby: string[] } =>
      tasks.get(endpoint) ?? { active: [], standby: [] }
    const own = this.#endpoint === null ? '' : nameOfEndpoint(this.#endpoint)
    const others = this.#mesh.peers().map(peer => {
      const endpoint = nameOfEndpoint(peer.endpoint)
      const { state, roundTripMs } = peer
      const node = peer.info?.node ?? peer.node ?? '?'
      return { node, endpoint, api: peer.info?.api ?? null, own: false, state, roundTripMs, ...view(endpoint) }
    })
    const { node, api } = this.#info()
    return [{ node, endpoint: own, api, own: true, state: 'alive', roundTripMs: 0, ...view(own) }, ...others]
  }

  /** A transaction costs the brokers ten requests among themselves; one more ms of records costs next to nothing. */
  readonly lingerMs = 2

  get isSettled(): boolean {
    return this.#director?.isSettled === true
  }

  counters(): EngineCounters {
    const { counters } = this.#host
    return {
      connections: counters.get('connections'),
      connectionFailures: counters.get('connectionFailures'),
      recoveries: counters.get('recoveries'),
      buried: this.#buried,
      requests: this.#host.requests(),
      memberships: this.#host.memberships(),
    }
  }

  problems() {
    return (this.#director?.problems() ?? []).map(({ group, message }) => ({ message, details: { group } }))
  }

  async close(): Promise<void> {
    await this.#mesh.close()
    await this.#host.close()
    this.#release()
  }

  #info(): PeerInfo {
    const workers = Array.from({ length: this.#settings.workers }, (_, worker) => `worker-${worker}`)
    return {
      node: this.#node,
      members: this.#director?.members().map(({ group, memberId }) => ({ group, memberId })) ?? [],
      transactionalIds: workers.flatMap(worker => this.#host.transactionalIds(worker)),
      api: this.#settings.api(),
      startedAt: this.#startedAt,
    }
  }

  /** Watches the nodes that the groups name. */
  #meet(): void {
    const endpoints = [...(this.#director?.peers().values() ?? [])].flat().map(peer => peer.endpoint)
    this.#mesh.setPeers(endpoints)
  }

  #isOwn(endpoint: { host: string; port: number }): boolean {
    return this.#endpoint !== null && nameOfEndpoint(endpoint) === nameOfEndpoint(this.#endpoint)
  }

  /**
   * Leaves the groups in the name of a node that seems dead, and ends what it left open, so that its tasks run elsewhere
   * at once. If it lives, its next commit is refused, and it joins again.
   */
  async #bury(dead: PeerInfo, why: string): Promise<void> {
    const { cluster } = this.#host
    const { report } = this.#settings
    const left = await Promise.allSettled([
      ...dead.members.map(({ group, memberId }) => buryMember(cluster, group, memberId)),
      ...dead.transactionalIds.map(id => fenceTransactionalId(cluster, id)),
    ])
    const failed = left.flatMap(one => (one.status === 'rejected' ? [messageOf(one.reason)] : []))
    this.#buried++
    report('warn', 'a node was buried', {
      node: dead.node,
      why,
      ...(failed.length > 0 && { failed: failed.join('; ') }),
    })
    this.#director?.hurry()
    this.#mesh.tell({ buried: dead.node })
    for (const group of new Set(dead.members.map(member => member.group))) {
      this.#mesh.tell({ moved: group } satisfies Moved)
    }
  }
}

function refuseQuestion(): never {
  throw new AldebaranError('NOT_FOUND', 'this question is not one of those a node answers')
}
