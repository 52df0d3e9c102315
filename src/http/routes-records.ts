import type { FastifyInstance } from 'fastify'
import { AldebaranError } from '../errors.ts'
import type { PartitionReader } from '../log/contract.ts'
import { BODY_TYPES, openBody, type Wrap } from './body.ts'
import { keyBytesFromText } from './codec.ts'
import type { HttpContext } from './context.ts'
import { csvCast } from './csv.ts'
import { EventStream } from './event-stream.ts'
import { sendError } from './failures.ts'
import type { IngestResult } from './ingest.ts'
import { type Positions, parsePositions } from './positions.ts'
import { type ReadOptions, readRecords } from './read-records.ts'
import { openReaders } from './record-scan.ts'
import * as schemas from './schemas.ts'
import { choosePartitions, partitionsOf, type SiteTopic } from './site-topic.ts'

interface IngestQuery {
  key?: string
  partition?: number
  wrap: Wrap
  framed: boolean
  atomic: boolean
  application?: string
}

type ReadQuery = Partial<ReadOptions> & { limit: number; application?: string }
type TailQuery = { partition?: number; from?: string; key?: string; application?: string }

const MOST_RECORDS = 1000

export function recordRoutes(app: FastifyInstance, context: HttpContext): void {
  app.post<{ Params: { topic: string }; Querystring: IngestQuery }>(
    '/topics/:topic/records',
    {
      schema: {
        tags: ['records'],
        summary: 'Append records to a topic; answers when they are durable',
        consumes: Object.values(BODY_TYPES),
        params: schemas.params('topic'),
        querystring: schemas.query({
          key: { type: 'string', description: 'Key of every record.' },
          partition: schemas.partition,
          wrap: {
            type: 'string',
            enum: ['none', 'value', 'records'],
            default: 'none',
            description:
              'JSON: none takes an array as values and anything else as one value; value takes the body as one value; ' +
              'records takes {"records": [{key, value, timestamp, headers, partition}]}, or such a record a line.',
          },
          framed: {
            type: 'boolean',
            default: false,
            description: 'Avro and bytes: 4 bytes of length before each value.',
          },
          atomic: { type: 'boolean', default: false, description: 'One error refuses all.' },
          application: schemas.application,
        }),
        response: schemas.answers(
          'What was appended, and what was refused: {accepted, rejected, offsets, errors}',
          400,
          401,
          403,
          404,
          413,
          415,
          503,
        ),
      },
    },
    async (request, reply) => {
      const { key, partition, wrap, framed, atomic, application } = request.query
      const topic = await context.site.topic(request.params.topic, application)
      if (topic.reserved) {
        throw new AldebaranError('TOPIC_INTERNAL', `topic ${topic.info.name} is not for other writers`, {
          topic: topic.info.name,
        })
      }
      const { body } = request
      if (!Buffer.isBuffer(body)) throw new AldebaranError('BODY_INVALID', 'there is no body')
      const type = mediaType(request.headers['content-type'])
      checkFormat(topic, type)
      const items = await openBody(body, type, { wrap, framed, cast: () => csvCast(topic.value) })
      const result = await context.ingest.take(topic, items, {
        key,
        partition,
        envelopes: wrap === 'records',
        atomic,
        now: Date.now(),
      })
      context.metrics.ingested.inc({ topic: topic.info.name, result: 'accepted' }, result.accepted)
      context.metrics.ingested.inc({ topic: topic.info.name, result: 'rejected' }, result.rejected)
      if (result.accepted > 0 || result.rejected === 0) return result
      return sendError(reply, allRefused(result, atomic), { ...result })
    },
  )

  app.get<{ Params: { topic: string }; Querystring: ReadQuery }>(
    '/topics/:topic/records',
    {
      schema: {
        tags: ['records'],
        summary: 'Read records of a topic',
        params: schemas.params('topic'),
        querystring: schemas.query({
          partition: schemas.partition,
          from: {
            type: 'string',
            description: 'earliest, latest (the newest), an offset, or what `next` of an answer said.',
          },
          time: { type: 'integer', minimum: 0, description: 'From this time on, ms since 1970.' },
          limit: schemas.limit(MOST_RECORDS, 50),
          key: { type: 'string', description: 'Only records of this key.' },
          application: schemas.application,
        }),
        response: schemas.answers('{topic, records, next, complete}', 400, 401, 404),
      },
    },
    async request => {
      const { partition, from, time, limit, key, application } = request.query
      const topic = await context.site.topic(request.params.topic, application)
      return await readRecords(topic, { partition, from, time, limit, key })
    },
  )

  app.get<{ Params: { topic: string }; Querystring: TailQuery }>(
    '/topics/:topic/tail',
    {
      exposeHeadRoute: false,
      config: { tokenInQuery: true },
      schema: {
        tags: ['records'],
        summary: 'Records of a topic as they come, as server-sent events',
        params: schemas.params('topic'),
        querystring: schemas.query({
          partition: schemas.partition,
          from: { type: 'string', description: 'earliest, latest (default), an offset, or positions.' },
          key: { type: 'string', description: 'Only records of this key.' },
          application: schemas.application,
          access_token: schemas.accessToken,
        }),
        produces: ['text/event-stream'],
      },
    },
    async (request, reply) => {
      const { partition, from, key, application } = request.query
      const topic = await context.site.topic(request.params.topic, application)
      const keyBytes = key === undefined ? null : keyBytesFromText(topic.key, key)
      const partitions = choosePartitions(topic, partition, keyBytes)
      const positions = parsePositions(from ?? 'latest', partitions)
      const last = request.headers['last-event-id']
      if (typeof last === 'string' && /^[\d:,-]+$/.test(last)) resumeAfter(last, positions)
      const readers = await openTail(topic, positions)
      context.tails(topic.log).add(topic, readers, keyBytes, new EventStream(request, reply))
      return reply
    },
  )
}

function mediaType(header: string | undefined): string {
  const type = (header ?? '').split(';')[0]!.trim().toLowerCase()
  return type === 'application/x-ndjson' || type === 'application/jsonl' ? BODY_TYPES.ndjson : type
}

function checkFormat(topic: SiteTopic, type: string): void {
  const { format } = topic.value
  const wanted = type === BODY_TYPES.avro ? 'avro' : type === BODY_TYPES.bytes ? 'bytes' : format
  if (format !== wanted) {
    throw new AldebaranError(
      'CONTENT_TYPE_UNKNOWN',
      `the values of topic ${topic.info.name} are ${format}, not ${type}`,
      {
        topic: topic.info.name,
        format,
      },
    )
  }
}

function allRefused(result: IngestResult, atomic: boolean): AldebaranError {
  const first = result.errors[0]!
  const details = { index: first.index, line: first.line, path: first.path }
  const message =
    result.rejected === 1
      ? first.message
      : `${atomic ? 'nothing was appended' : `all ${result.rejected} values were refused`}; value ${first.index}: ${first.message}`
  return new AldebaranError(first.code === 'BODY_INVALID' ? 'BODY_INVALID' : 'VALUE_INVALID', message, details)
}

/** `PARTITION:OFFSET,…`, the last offsets that the client got. */
function resumeAfter(id: string, positions: Positions): void {
  for (const part of id.split(',')) {
    const match = /^(\d{1,5}):(-?\d{1,16})$/.exec(part)
    if (match !== null && positions.has(Number(match[1]))) positions.set(Number(match[1]), Number(match[2]) + 1)
  }
}

/** Readers at the positions. An offset that is not there is an answer, and no stream that ends at once. */
async function openTail(topic: SiteTopic, positions: Positions): Promise<PartitionReader[]> {
  const ranges = await partitionsOf(topic)
  for (const [partition, position] of positions) {
    const { end } = ranges[partition]!
    if (typeof position === 'number' && position > end) {
      throw new AldebaranError('OFFSET_OUT_OF_RANGE', `partition ${partition} ends at ${end}, before ${position}`, {
        topic: topic.info.name,
        partition,
        offset: position,
        end,
      })
    }
  }
  return await openReaders(topic, positions, ranges)
}
