/** A log of its own for each test on a broker that many use: names of topics and groups get a prefix on their way in. */
import type { CommitUnit, Log, PartitionReader, Position, TopicInfo } from '../../src/log/contract.ts'

export function namespaced(log: Log, prefix: string): Log {
  const into = (name: string): string => (VALID.test(name) ? prefix + name : name)
  const out = (name: string): string => (name.startsWith(prefix) ? name.slice(prefix.length) : name)
  const shown = (info: TopicInfo): TopicInfo => ({ ...info, name: out(info.name) })
  const position = (one: Position): Position => ({ ...one, group: out(one.group), topic: out(one.topic) })
  const unitInto = (unit: CommitUnit): CommitUnit => {
    const named: CommitUnit = { ...unit }
    if (unit.appends !== undefined) named.appends = unit.appends.map(one => ({ ...one, topic: into(one.topic) }))
    if (unit.trims !== undefined) named.trims = unit.trims.map(one => ({ ...one, topic: into(one.topic) }))
    if (unit.positions !== undefined) {
      named.positions = unit.positions.map(one => ({ ...one, topic: into(one.topic), group: into(one.group) }))
    }
    return named
  }
  return new Proxy(log, {
    get(target, name) {
      switch (name as keyof Log) {
        case 'topics':
          return (options?: { internal?: boolean }) =>
            target
              .topics(options)
              .filter(topic => topic.name.startsWith(prefix))
              .map(shown)
        case 'topic':
          return (topic: string) => {
            const info = target.topic(into(topic))
            return info === undefined ? undefined : shown(info)
          }
        case 'partition':
          return (topic: string, partition: number) => target.partition(into(topic), partition)
        case 'createTopic':
          return (topic: string, options: Parameters<Log['createTopic']>[1]) => target.createTopic(into(topic), options)
        case 'deleteTopic':
          return (topic: string) => target.deleteTopic(into(topic))
        case 'reader':
          return (...[topic, partition, from]: Parameters<Log['reader']>): PartitionReader =>
            patient(target, target.reader(into(topic), partition, from))
        case 'position':
          return (group: string, topic: string, partition: number) => {
            const found = target.position(into(group), into(topic), partition)
            return found === undefined ? undefined : position(found)
          }
        case 'positions':
          return (group?: string) =>
            target
              .positions(group === undefined ? undefined : into(group))
              .filter(one => one.topic.startsWith(prefix))
              .map(position)
        case 'listTopics':
          return async () => (await target.listTopics()).filter(topic => topic.name.startsWith(prefix)).map(shown)
        case 'partitionsOf':
          return async (topics: readonly string[]) => {
            const found = await target.partitionsOf(topics.map(into))
            return new Map([...found].map(([topic, infos]) => [out(topic), infos]))
          }
        case 'positionsOf':
          return async (groups: readonly string[] | null) =>
            (await target.positionsOf(groups?.map(into) ?? null))
              .filter(one => one.topic.startsWith(prefix))
              .map(position)
        case 'openReader':
          return async (...[topic, partition, from]: Parameters<Log['openReader']>): Promise<PartitionReader> =>
            patient(target, await target.openReader(into(topic), partition, from))
        case 'submit':
          return (...[unit, done]: Parameters<Log['submit']>) => target.submit(unitInto(unit), done)
        case 'commit':
          return async (unit: CommitUnit) => {
            const named = unitInto(unit)
            const result = await target.commit(named)
            named.appends?.forEach(({ topic, partition }, index) => {
              awaitVisible(target, topic, partition, result.offsets[index]!)
            })
            return result
          }
        default: {
          const value = Reflect.get(target, name) as unknown
          return typeof value === 'function' ? value.bind(target) : value
        }
      }
    },
  })
}

/** A transaction that was committed is visible a moment later. */
function awaitVisible(log: Log, topic: string, partition: number, offset: number): void {
  while (log.partition(topic, partition).end <= offset) log.wait(1)
}

/** What is committed when it is polled is waited for: it may still be on its way here. */
function patient(log: Log, reader: PartitionReader): PartitionReader {
  const { topic, partition } = reader
  return new Proxy(reader, {
    get(target, name) {
      if (name === 'poll') {
        return (maxBytes: number): boolean => {
          const { end } = log.partition(topic, partition)
          while (!target.poll(maxBytes)) {
            if (target.position >= end) return false
            log.wait(100)
          }
          return true
        }
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const VALID = /^[a-zA-Z0-9._-]{1,200}$/
