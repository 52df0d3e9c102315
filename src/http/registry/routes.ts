/**
 * The REST API of Confluent's schema registry, under a prefix: `http://127.0.0.1:8000/registry` is what its clients take
 * for the address of the registry. The registry lies in the log of the first application, and is made when it is asked
 * for the first time.
 */
import type { FastifyInstance, RouteHandlerMethod } from 'fastify'
import { SCHEMA_TYPES } from '../../connect/registry/read-schema.ts'
import { SchemaRegistry } from '../../connect/registry/registry.ts'
import { AldebaranError } from '../../errors.ts'
import type { HttpContext } from '../context.ts'
import type { AddRoute } from './add-route.ts'
import { basicGuard } from './basic-access.ts'
import { REGISTRY_TYPE, registryErrorHandler } from './failures.ts'
import { schemaRoutes } from './routes-schemas.ts'
import { settingRoutes } from './routes-settings.ts'
import { subjectRoutes } from './routes-subjects.ts'

/** A schema has this many bytes of JSON, at most: with its escapes it must fit a record. */
const BODY_LIMIT = 1024 * 1024

export function registryRoutes({ site, settings }: HttpContext): (app: FastifyInstance) => Promise<void> {
  return async app => {
    const log = site.applications[0]!.log
    let opened: Promise<SchemaRegistry> | null = null
    const open = (): Promise<SchemaRegistry> => {
      opened ??= SchemaRegistry.open(log).catch(error => {
        opened = null
        throw error
      })
      return opened
    }
    const guard = basicGuard(settings.tokens)
    const add: AddRoute = (method, url, answer) => {
      const handler: RouteHandlerMethod = async (request, reply) => {
        const body = JSON.stringify(await answer(await open(), request))
        return reply.type(REGISTRY_TYPE).send(body)
      }
      const config = { open: true }
      app.route({ method, url, handler, bodyLimit: BODY_LIMIT, config, onRequest: guard, schema: { hide: true } })
    }
    app.setErrorHandler(registryErrorHandler(settings, BODY_LIMIT))
    parseBodies(app)
    add('GET', '/', () => ({}))
    add('GET', '/contexts', () => ['.'])
    add('GET', '/schemas/types', () => SCHEMA_TYPES)
    subjectRoutes(add)
    schemaRoutes(add)
    settingRoutes(add)
    // Clients try what newer registries have: to be told 404 they must get past the guard.
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'] as const) {
      add(method, '/*', () => {
        throw new AldebaranError('NOT_FOUND', 'HTTP 404 Not Found')
      })
    }
  }
}

/** Clients name several types for JSON, also for requests without a body. */
function parseBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
    if (body.length === 0) done(null, undefined)
    else if (!/^application\/(?:[\w.-]+\+)?(?:json|octet-stream)$/.test(type)) {
      done(new AldebaranError('CONTENT_TYPE_UNKNOWN', `bodies of type ${type} are not taken: send ${REGISTRY_TYPE}`))
    } else {
      try {
        done(null, JSON.parse(body.toString()))
      } catch (error) {
        done(new AldebaranError('BODY_INVALID', 'the body is not JSON', {}, error))
      }
    }
  })
}
