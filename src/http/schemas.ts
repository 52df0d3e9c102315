/** JSON Schemas of requests, which Fastify checks, and of answers, which only describe. */

export const application = { type: 'string', description: 'Which application, where several run.' } as const
export const accessToken = { type: 'string', description: 'A token, for clients that cannot send a header.' } as const

export function query<const P extends Record<string, object>>(properties: P) {
  return { type: 'object', properties, additionalProperties: false } as const
}

export function params(...names: string[]) {
  return {
    type: 'object',
    properties: Object.fromEntries(names.map(name => [name, { type: 'string' }])),
    required: names,
  }
}

export const partition = { type: 'integer', minimum: 0, maximum: 9999 } as const
export const offset = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const

export function limit(most: number, usual: number) {
  return { type: 'integer', minimum: 1, maximum: most, default: usual } as const
}

const failure = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'remedy'],
      properties: { code: { type: 'string' }, message: { type: 'string' }, remedy: { type: 'string' } },
    },
  },
}

/** The answers of a route: what it gives, and the failures it may give instead. */
export function answers(description: string, ...failures: number[]): Record<number, object> {
  return answersWith(200, description, ...failures)
}

/** Those of a route that answers with another status when all is well. */
export function answersWith(status: number, description: string, ...failures: number[]): Record<number, object> {
  const texts: Record<number, string> = {
    400: 'The request is malformed, or everything in it was refused.',
    401: 'A token is needed.',
    403: 'Not allowed.',
    404: 'There is no such thing.',
    413: 'The body is too large.',
    415: 'The Content-Type is not one that is taken.',
    503: 'Not now: try again after Retry-After.',
  }
  return {
    [status]:
      status === 204 ? { description, type: 'null' } : { description, type: 'object', additionalProperties: true },
    ...Object.fromEntries(failures.map(status => [status, { ...failure, description: texts[status] }])),
  }
}
