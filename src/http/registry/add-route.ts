import type { FastifyRequest } from 'fastify'
import type { SchemaRegistry } from '../../connect/registry/registry.ts'

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Adds a route of the registry: what `answer` gives is sent as JSON. */
export type AddRoute = (
  method: Method,
  path: string,
  answer: (registry: SchemaRegistry, request: FastifyRequest) => unknown,
) => void
