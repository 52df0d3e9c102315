import type { FastifyInstance } from 'fastify'
import { AldebaranError } from '../errors.ts'
import type { HttpContext } from './context.ts'
import * as schemas from './schemas.ts'
import { type SiteTable, sizeOf } from './site.ts'
import { getRow, scanRows } from './table-rows.ts'

interface TablePath {
  pipeline: string
  table: string
}

export function tableRoutes(app: FastifyInstance, { site }: HttpContext): void {
  app.get<{ Querystring: { application?: string } }>(
    '/tables',
    {
      schema: {
        tags: ['tables'],
        summary: 'The tables of the pipelines',
        querystring: schemas.query({ application: schemas.application }),
        response: schemas.answers('{tables}', 401, 404),
      },
    },
    async request => ({ tables: site.tables(request.query.application).map(describeTable) }),
  )

  app.get<{ Params: TablePath & { key: string }; Querystring: { application?: string } }>(
    '/tables/:pipeline/:table/rows/:key',
    {
      schema: {
        tags: ['tables'],
        summary: 'The row of a key',
        params: schemas.params('pipeline', 'table', 'key'),
        querystring: schemas.query({ application: schemas.application }),
        response: schemas.answers('{key, fields, timers, partition}', 400, 401, 404, 503),
      },
    },
    async request => {
      const { pipeline, table, key } = request.params
      const row = await getRow(site.table(pipeline, table, request.query.application), key)
      if (row === null) throw new AldebaranError('NOT_FOUND', `table ${table} has no row ${key}`, { table, key })
      return row
    },
  )

  app.get<{ Params: TablePath; Querystring: { from?: string; to?: string; limit: number; application?: string } }>(
    '/tables/:pipeline/:table/rows',
    {
      schema: {
        tags: ['tables'],
        summary: 'Rows in the order of their keys',
        params: schemas.params('pipeline', 'table'),
        querystring: schemas.query({
          from: { type: 'string', description: 'First key, included.' },
          to: { type: 'string', description: 'Last key, excluded.' },
          limit: schemas.limit(1000, 100),
          application: schemas.application,
        }),
        response: schemas.answers('{rows, next}', 400, 401, 404, 503),
      },
    },
    async request => {
      const { pipeline, table } = request.params
      const { from, to, limit, application } = request.query
      return await scanRows(site.table(pipeline, table, application), from, to, limit)
    },
  )
}

function describeTable(table: SiteTable): Record<string, unknown> {
  const { name, store, key, fields, timers, maxRows } = table.node.definition
  return {
    application: table.running.application.name,
    pipeline: table.pipeline,
    table: name,
    store,
    partitions: table.partitions,
    ...sizeOf(table),
    maxRows,
    key: { format: key.format, definition: key.definition },
    fields: Object.entries(fields).map(([field, type]) => ({ name: field, type: type.definition })),
    timers,
  }
}
