import type { HttpRoute, Operations, RouteRequest } from 'aldebaran'
import type { Webhooks } from './app.ts'
import type { Directory } from './directory.ts'
import type { Publisher } from './publisher.ts'

/** What a handler is given. */
export interface Call {
  readonly account: string
  /** Of the path; '' if it names none. */
  readonly endpoint: string
  readonly params: RouteRequest['params']
  readonly query: RouteRequest['query']
  readonly headers: RouteRequest['headers']
  readonly body: unknown
  readonly webhooks: Webhooks
  readonly directory: Directory
  readonly publisher: Publisher
  readonly operations: Operations
  /** ms since 1970 */
  readonly now: number
}

/** A route without what all of them share. */
export interface AccountRoute {
  method: HttpRoute['method']
  /** Behind /webhooks/accounts/:account. */
  path: string
  summary: string
  description?: string
  query?: Record<string, object>
  /** JSON Schema of the body, for the OpenAPI page; not there: it has none. */
  bodyShape?: object
  /** When all is well. Default 200. */
  status?: number
  answers: string
  handle: (call: Call) => unknown
}
