import type { FastifyInstance } from 'fastify'
import { AldebaranError } from '../errors.ts'
import type { HttpContext } from './context.ts'
import { lagsOf } from './lag.ts'
import * as schemas from './schemas.ts'
import type { SiteTopic } from './site-topic.ts'

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
    async request => ({ topics: site.topics(request.query.internal).map(summaryOf) }),
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
      const topic = site.topic(request.params.topic, request.query.application)
      return {
        ...summaryOf(topic),
        partitionList: partitionsOf(topic),
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
      const all = site.applications.flatMap(lagsOf)
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

function partitionsOf(topic: SiteTopic): { partition: number; start: number; end: number; bytes: number }[] {
  const { name, partitions } = topic.info
  return Array.from({ length: partitions }, (_, partition) => ({ partition, ...topic.log.partition(name, partition) }))
}

function summaryOf(topic: SiteTopic): Record<string, unknown> {
  const { info } = topic
  const partitions = partitionsOf(topic)
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
