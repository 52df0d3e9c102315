import type { FastifyInstance } from 'fastify'
import { AldebaranError } from '../errors.ts'
import type { PartitionInfo } from '../log/contract.ts'
import type { HttpContext } from './context.ts'
import { lagsOf } from './lag.ts'
import * as schemas from './schemas.ts'
import { partitionsOf, type SiteTopic } from './site-topic.ts'

export function topicRoutes(app: FastifyInstance, { site }: HttpContext): void {
  app.get<{ Querystring: { internal: boolean } }>(
    '/topics',
    {
      schema: {
        tags: ['topics'],
        summary: 'The topics of the log',
        querystring: schemas.query({
          internal: { type: 'boolean', default: false, description: 'Changelogs and repartition topics too.' },
        }),
        response: schemas.answers('{topics}', 400, 401),
      },
    },
    async request => {
      const topics = await site.topics(request.query.internal)
      const partitions = await partitionsByTopic(topics)
      return {
        topics: topics.flatMap(topic => {
          const known = partitions.get(topic)
          return known === undefined ? [] : [summaryOf(topic, known)]
        }),
      }
    },
  )

  app.get<{ Params: { topic: string }; Querystring: { application?: string } }>(
    '/topics/:topic',
    {
      schema: {
        tags: ['topics'],
        summary: 'A topic with its partitions and schemas',
        params: schemas.params('topic'),
        querystring: schemas.query({ application: schemas.application }),
        response: schemas.answers('The topic', 401, 404),
      },
    },
    async request => {
      const topic = await site.topic(request.params.topic, request.query.application)
      const partitions = await partitionsOf(topic)
      return {
        ...summaryOf(topic, partitions),
        partitionList: partitions.map((info, partition) => ({ partition, ...info })),
      }
    },
  )

  app.get<{ Querystring: { group?: string; topic?: string } }>(
    '/lag',
    {
      schema: {
        tags: ['topics'],
        summary: 'How far every group is behind',
        querystring: schemas.query({ group: { type: 'string' }, topic: { type: 'string' } }),
        response: schemas.answers('{lag, total}', 401, 404),
      },
    },
    async request => {
      const { group, topic } = request.query
      const each = site.applications.map(async running => await lagsOf(running, await site.topicsOf(running), true))
      const all = (await Promise.all(each)).flat()
      const lag = all.filter(
        one => (group === undefined || one.group === group) && (topic === undefined || one.topic === topic),
      )
      if (lag.length === 0 && group !== undefined && all.every(one => one.group !== group)) {
        throw new AldebaranError('NOT_FOUND', `there is no group ${group}`, { group })
      }
      return { total: lag.reduce((sum, one) => sum + one.lag, 0), lag }
    },
  )
}

/** Asks each log once. A topic that was deleted meanwhile is left out. */
async function partitionsByTopic(topics: readonly SiteTopic[]): Promise<Map<SiteTopic, PartitionInfo[]>> {
  const found = new Map<SiteTopic, PartitionInfo[]>()
  for (const [log, some] of Map.groupBy(topics, topic => topic.log)) {
    const partitions = await log.partitionsOf(some.map(({ info }) => info.name))
    for (const topic of some) {
      const known = partitions.get(topic.info.name)
      if (known !== undefined) found.set(topic, known)
    }
  }
  return found
}

function summaryOf(topic: SiteTopic, partitions: readonly PartitionInfo[]): Record<string, unknown> {
  const { info } = topic
  return {
    name: info.name,
    partitions: info.partitions,
    /** In the log now. */
    records: partitions.reduce((sum, { start, end }) => sum + end - start, 0),
    /** Ever written. */
    written: partitions.reduce((sum, { end }) => sum + end, 0),
    bytes: partitions.reduce((sum, { bytes }) => sum + bytes, 0),
    /** `{ format, definition }`; null: bytes, as far as anybody said. */
    key: info.key ?? null,
    value: info.value ?? null,
    retentionBytes: info.retentionBytes ?? null,
    retentionMs: info.retentionMs ?? null,
    internal: info.internal === true,
    writable: !topic.reserved,
  }
}
