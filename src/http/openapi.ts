import type { FastifyInstance } from 'fastify'
import { BODY_TYPES } from './body.ts'
import * as schemas from './schemas.ts'

const letterSelection = {
  type: 'object',
  additionalProperties: false,
  properties: {
    offsets: { type: 'array', items: schemas.offset, minItems: 1, maxItems: 10_000 },
    all: { type: 'boolean', const: true },
    code: { type: 'string' },
    topic: { type: 'string' },
  },
} as const

const envelope = {
  type: 'object',
  additionalProperties: false,
  required: ['value'],
  properties: {
    key: { description: 'As the key schema of the topic has it; null: none.' },
    value: { description: 'As the value schema of the topic has it.' },
    timestamp: { type: 'integer', minimum: 0, description: 'ms since 1970. Default: now.' },
    headers: { type: 'object', description: 'Texts by name; several of one name as an array.' },
    partition: schemas.partition,
  },
} as const

const binary = { type: 'string', format: 'binary' } as const

const records = {
  required: true,
  content: {
    [BODY_TYPES.json]: {
      schema: {
        description: 'A value, an array of values, or with wrap=records the records below.',
        anyOf: [{}, { type: 'object', properties: { records: { type: 'array', items: envelope } } }],
      },
    },
    [BODY_TYPES.ndjson]: { schema: { type: 'string', description: 'A value a line.' } },
    [BODY_TYPES.csv]: { schema: { type: 'string', description: 'The first line names the fields.' } },
    [BODY_TYPES.avro]: { schema: binary },
    [BODY_TYPES.bytes]: { schema: binary },
  },
}

const letters = { required: true, content: { [BODY_TYPES.json]: { schema: letterSelection } } }

/** Bodies are taken apart by the routes, and not by Fastify; so they are described here. */
const BODIES: Readonly<Record<string, object>> = {
  '/topics/{topic}/records': records,
  '/dead-letters/replay': letters,
  '/dead-letters/purge': letters,
}

/** The document of `GET /openapi.json`. */
export function describeApi(app: FastifyInstance): Record<string, unknown> {
  const document = app.swagger() as { paths?: Record<string, { post?: object }> }
  const paths = Object.entries(document.paths ?? {}).map(([path, methods]) => {
    const requestBody = BODIES[path]
    return [path, requestBody === undefined ? methods : { ...methods, post: { ...methods.post, requestBody } }]
  })
  return { ...document, paths: Object.fromEntries(paths) }
}
