import type { FastifyInstance } from 'fastify'
import type { HttpRoute } from './application-routes.ts'
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
    destination: { type: 'string', description: 'Of a delivery: where it was not delivered.' },
    since: { type: 'number', minimum: 0, description: 'Letters from this time on, ms since 1970.' },
    until: { type: 'number', minimum: 0, description: 'Letters before this time, ms since 1970.' },
  },
} as const

const letterReplay = {
  ...letterSelection,
  properties: {
    ...letterSelection.properties,
    edit: {
      type: 'object',
      additionalProperties: false,
      description: 'With one offset: what its record has instead of its own.',
      properties: {
        value: { description: 'As the value schema of the topic has it.' },
        valueBase64: { type: 'string', format: 'byte', description: 'Instead of `value`: its bytes.' },
        headers: { type: 'object', description: 'Texts by name; null takes one away. Others stay.' },
      },
    },
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

const ofJson = (schema: object) => ({ required: true, content: { [BODY_TYPES.json]: { schema } } })

const command = {
  type: 'object',
  additionalProperties: false,
  required: ['command'],
  properties: {
    command: { type: 'string', enum: ['pause', 'resume', 'reset', 'purge', 'limit', 'send', 'drop'] },
    destination: { type: 'string', description: 'Of all but send and drop.' },
    event: { type: 'string', description: 'Of send and drop: its name, as the list of events has it.' },
    reason: { type: 'string', description: 'Of pause.' },
    rate: { type: 'string', description: "Of limit: '100/s'. Without it that of the settings." },
    concurrency: { type: 'integer', minimum: 1, description: 'Of limit. Without it that of the settings.' },
  },
} as const

/** Bodies are taken apart by the routes, and not by Fastify; so they are described here. */
const BODIES: Readonly<Record<string, object>> = {
  '/topics/{topic}/records': records,
  '/dead-letters/replay': ofJson(letterReplay),
  '/dead-letters/purge': ofJson(letterSelection),
  '/deliveries/{delivery}/commands': ofJson(command),
}

/** The document of `GET /openapi.json`; `routes` are those of the application. */
export function describeApi(app: FastifyInstance, routes: readonly HttpRoute[]): Record<string, unknown> {
  const document = app.swagger() as { paths?: Record<string, unknown> }
  const paths = new Map(Object.entries(document.paths ?? {}))
  const describe = (path: string, method: string, requestBody: object): void => {
    const methods = paths.get(path) as Record<string, object> | undefined
    if (methods?.[method] === undefined) return
    paths.set(path, { ...methods, [method]: { ...methods[method], requestBody } })
  }
  for (const [path, body] of Object.entries(BODIES)) describe(path, 'post', body)
  for (const { path, method, body, bodyShape = {} } of routes) {
    if (body !== undefined) describe(path.replace(/:(\w+)/g, '{$1}'), method.toLowerCase(), ofJson(bodyShape))
  }
  return { ...document, paths: Object.fromEntries(paths) }
}
