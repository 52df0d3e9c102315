/** One client, as the network thread sees it: its readers, its units, its questions. */
import type { MessagePort } from 'node:worker_threads'
import { AldebaranError, messageOf } from '../../errors.ts'
import { ring } from '../bell.ts'
import type { From } from '../contract.ts'
import { groupUnit, type UnitSource } from '../group.ts'
import {
  ANSWERED,
  Arena,
  BELL,
  CLOSED,
  type MailboxBuffers,
  SLOT_HEADER,
  STATE,
  SUBMITTED,
  slotOf,
} from '../mailbox.ts'
import { writeError, writeOffsets } from '../unit-answers.ts'
import { decodeUnit } from '../unit-codec.ts'
import type { Ask, FromClient, FromNetwork } from './asks.ts'
import type { Cluster } from './cluster.ts'
import { CopiedReaders } from './copied-readers.ts'
import type { CopyStore } from './copy-store.ts'
import { FetchedPartition } from './fetched-partition.ts'
import { Fetcher } from './fetcher.ts'
import { groupsOf, highWatermark, LATEST, offsetAt, positionsOf, rangeOf, sizeOf } from './offsets.ts'
import { surveyPartitions, surveyPositions } from './survey.ts'
import type { TopicAdmin } from './topic-admin.ts'
import { type PipelineSettings, UnitPipeline } from './unit-pipeline.ts'
import type { Membership } from './unit-requests.ts'
import { NO_UUID } from './wire/types.ts'

export interface SessionSettings extends Omit<PipelineSettings, 'purpose' | 'membership'> {
  /** Tells its connections and transactional ids from those of others. */
  readonly name: string
  /** Positions decide where it starts: nothing of a predecessor may be open when it asks for them. */
  readonly ownsTasks: boolean
}

export class Session implements UnitSource {
  failures = 0
  readonly name: string
  readonly #cluster: Cluster
  readonly #admin: TopicAdmin
  readonly #words: Int32Array
  readonly #arena: Arena
  readonly #port: MessagePort
  readonly #answered: Int32Array
  readonly #fetcher: Fetcher
  readonly #pipeline: UnitPipeline
  readonly #partitions = new Map<number, FetchedPartition>()
  readonly #members = new Map<string, Membership>()
  /** Null: this node keeps no copies, or the client has no tasks. */
  readonly #copied: CopiedReaders | null
  #nextId = 0
  #taken = 0
  #told = 0
  readonly #settings: SessionSettings

  constructor(
    cluster: Cluster,
    admin: TopicAdmin,
    settings: SessionSettings,
    mailbox: MailboxBuffers,
    port: MessagePort,
    answered: SharedArrayBuffer,
    copies: CopyStore | null,
  ) {
    this.name = settings.name
    this.#cluster = cluster
    this.#admin = admin
    this.#settings = settings
    this.#words = new Int32Array(mailbox.words)
    this.#arena = new Arena(mailbox.arena)
    this.#port = port
    this.#answered = new Int32Array(answered)
    const onData = (): void => ring(this.#words, BELL)
    this.#fetcher = new Fetcher(cluster, settings.name, onData)
    const isTransactional = settings.guarantee === 'exactly-once'
    this.#copied =
      copies !== null && settings.ownsTasks ? new CopiedReaders(copies, this.#fetcher, isTransactional, onData) : null
    const membership = (group: string): Membership | undefined => this.#members.get(group)
    this.#pipeline = new UnitPipeline(cluster, { ...settings, purpose: settings.name, membership })
    port.on('message', message => this.#heard(message as FromClient))
  }

  get closed(): boolean {
    return Atomics.load(this.#words, STATE) === CLOSED && Atomics.load(this.#words, SUBMITTED) === this.#told
  }

  /** As whom positions of a group are committed from now on. */
  setMembership(group: string, membership: Membership | null): void {
    if (membership === null) this.#members.delete(group)
    else this.#members.set(group, membership)
  }

  /** Readers of a topic that was deleted find out. */
  forgetTopic(topic: string, error: AldebaranError): void {
    for (const partition of this.#partitions.values()) if (partition.topic === topic) partition.fail(error)
    ring(this.#words, BELL)
  }

  /** Looks for units that were submitted, and for room that readers made. */
  look(): void {
    const submitted = Atomics.load(this.#words, SUBMITTED)
    while (this.#taken !== submitted) this.#takeUnit()
    this.#copied?.run()
    this.#fetcher.run()
  }

  async close(): Promise<void> {
    await this.#pipeline.settled()
    this.drop()
  }

  /** Without waiting for what is under way. */
  drop(): void {
    this.#copied?.close()
    this.#fetcher.close()
    this.#port.close()
    ring(this.#words, BELL)
  }

  #takeUnit(): void {
    this.#arena.refresh()
    const { bytes } = this.#arena
    const slot = slotOf(this.#words, this.#taken)
    this.#taken = (this.#taken + 1) | 0
    const entry = groupUnit(decodeUnit(bytes, slot + SLOT_HEADER), this, bytes.readInt32LE(slot + 4))
    this.#pipeline.submit(entry, () => {
      this.#arena.refresh()
      this.#copied?.answered(entry)
      const answer = slotOf(this.#words, this.#told)
      if (entry.error === null) writeOffsets(this.#arena.bytes, answer, entry.offsets)
      else writeError(this.#arena.bytes, answer, entry.error)
      this.#told = (this.#told + 1) | 0
      Atomics.store(this.#words, ANSWERED, this.#told)
      ring(this.#words, BELL)
    })
  }

  #heard(message: FromClient): void {
    if ('unsubscribe' in message) this.#unsubscribe(message.unsubscribe)
    else this.#take(message)
  }

  #take({ id, ask }: { id: number; ask: Ask }): void {
    this.#answer(ask).then(
      answer => this.#tell({ id, answer }),
      (error: unknown) => {
        const known = error instanceof AldebaranError
        this.#tell({
          id,
          error: {
            code: known ? error.code : 'LOG_STOPPED',
            message: messageOf(error),
            details: known ? { ...error.details } : {},
          },
        })
      },
    )
  }

  #tell(message: FromNetwork): void {
    this.#port.postMessage(message)
    Atomics.add(this.#answered, 0, 1)
    Atomics.notify(this.#answered, 0)
  }

  async #answer(ask: Ask): Promise<unknown> {
    const cluster = this.#cluster
    switch (ask.kind) {
      case 'subscribe':
        return await this.#subscribe(ask.topic, ask.partition, ask.from, ask.ring)
      case 'range':
        return await rangeOf(cluster, ask.topic, ask.partition)
      case 'partition': {
        const { topic, partition } = ask
        const [range, bytes] = await Promise.all([
          rangeOf(cluster, topic, partition),
          sizeOf(cluster, topic, partition),
        ])
        return { ...range, bytes: range.start === range.end ? 0 : bytes }
      }
      case 'partitions':
        return await surveyPartitions(cluster, ask.topics)
      case 'committed':
        await this.#settle()
        return await surveyPositions(cluster, ask.groups)
      case 'time': {
        const found = await offsetAt(cluster, ask.topic, ask.partition, Math.max(0, Math.ceil(ask.ms)))
        return found >= 0 ? found : await offsetAt(cluster, ask.topic, ask.partition, LATEST)
      }
      case 'position': {
        await this.#settle()
        const found = await positionsOf(cluster, ask.group, [{ name: ask.topic, partitions: [ask.partition] }])
        return found[0] ?? null
      }
      case 'positions': {
        await this.#settle()
        const groups = ask.group === null ? await groupsOf(cluster) : [ask.group]
        return (await Promise.all(groups.map(group => positionsOf(cluster, group, null)))).flat()
      }
      case 'topics':
        return [...(await this.#admin.list()).values()]
      case 'topic':
        return (await this.#admin.one(ask.name)) ?? null
      case 'identity': {
        const id = (await cluster.lookForNew(ask.topic))?.id ?? NO_UUID
        return cluster.id === null || id === NO_UUID ? null : `${cluster.id}/${id}`
      }
      case 'create':
        await this.#admin.create(ask.name, ask.options)
        return null
      case 'delete':
        await this.#admin.delete(ask.name)
        return null
    }
  }

  /** Whatever this client, or the one that had its name before, left open is ended. */
  async #settle(): Promise<void> {
    if (!this.#settings.ownsTasks || this.#settings.guarantee === 'at-least-once') return
    await this.#pipeline.start()
  }

  async #subscribe(
    topic: string,
    partition: number,
    from: From,
    buffer: SharedArrayBuffer,
  ): Promise<{ id: number; position: number; end: number }> {
    const cluster = this.#cluster
    const [{ start, end }, written] = await Promise.all([
      rangeOf(cluster, topic, partition),
      highWatermark(cluster, topic, partition),
    ])
    const position = from === 'earliest' ? start : from === 'latest' ? end : from
    // What is committed already may lie beyond the end: the marker of its transaction is on its way.
    if (!Number.isSafeInteger(position) || position < start || position > Math.max(end, written)) {
      throw new AldebaranError(
        'OFFSET_OUT_OF_RANGE',
        `${topic}/${partition} has the offsets ${start} to ${end}, and not ${position}`,
        { topic, partition, offset: position, start, end },
      )
    }
    const fetched = new FetchedPartition(topic, partition, position, buffer)
    fetched.setRange(start, end)
    fetched.atEnd = position >= end
    const id = this.#nextId++
    this.#partitions.set(id, fetched)
    if (!(await this.#copied?.begin(fetched, { start, end, written }))) this.#fetcher.add(fetched)
    return { id, position, end: written }
  }

  #unsubscribe(id: number): void {
    const partition = this.#partitions.get(id)
    if (partition === undefined) return
    this.#partitions.delete(id)
    this.#fetcher.remove(partition)
    this.#copied?.leave(partition)
  }
}
