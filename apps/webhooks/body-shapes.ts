/** What the bodies of the REST API look like, as JSON Schemas for its OpenAPI page; `input.ts` is what checks them. */
const text = (description: string) => ({ type: 'string', description }) as const

const certificate = {
  type: 'object',
  additionalProperties: false,
  required: ['certificate', 'key'],
  properties: { certificate: text('PEM, with those between it and its authority.'), key: text('PEM, no passphrase.') },
  description: 'What the endpoint is shown by TLS.',
}

const fields = {
  url: text('Where events go.'),
  types: {
    type: 'array',
    items: { type: 'string' },
    minItems: 1,
    maxItems: 100,
    default: ['*'],
    description: 'Types, beginnings of types such as invoice.*, or *.',
  },
  description: { ...text(''), maxLength: 500 },
  rate: text("'10/s'; '': that of the settings."),
  concurrency: { type: 'integer', minimum: 0, maximum: 1000, description: '0: that of the settings.' },
  headers: { type: 'object', additionalProperties: { type: 'string' }, description: 'Sent along; kept as secrets.' },
} as const

export const NEW_ENDPOINT = {
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    ...fields,
    clientCertificate: certificate,
    signature: { type: 'string', enum: ['v1', 'v1a'], default: 'v1', description: 'HMAC-SHA256, or ed25519.' },
    secret: text('whsec_… or whsk_…. Default: one is made.'),
  },
}

export const CHANGED_ENDPOINT = {
  type: 'object',
  additionalProperties: false,
  properties: { ...fields, clientCertificate: { ...certificate, nullable: true } },
}

const event = {
  type: 'object',
  additionalProperties: false,
  required: ['type', 'data'],
  properties: {
    type: text('Letters, digits, _ . and -'),
    data: { description: 'Any JSON.' },
    id: text('The same for the same event: it is sent once. Default: one is made.'),
    timestamp: { type: 'string', format: 'date-time', description: 'Default: now.' },
  },
}

export const EVENTS = { anyOf: [event, { type: 'array', items: event, minItems: 1, maxItems: 1000 }] }

const time = {
  anyOf: [
    { type: 'number', description: 'ms since 1970' },
    { type: 'string', format: 'date-time' },
  ],
}

export const RANGE = {
  type: 'object',
  additionalProperties: false,
  required: ['since'],
  properties: { since: time, until: time },
}

export const EVENT_TYPES = {
  type: 'object',
  additionalProperties: false,
  required: ['eventTypes'],
  properties: {
    eventTypes: {
      type: 'array',
      maxItems: 1000,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name'],
        properties: { name: { type: 'string' }, description: { type: 'string' } },
      },
    },
  },
}
