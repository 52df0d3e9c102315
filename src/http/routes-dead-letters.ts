import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AldebaranError } from '../errors.ts'
import { describe } from '../schema/failures.ts'
import { BODY_TYPES } from './body.ts'
import type { HttpContext } from './context.ts'
import type { LetterState } from './dead-letter.ts'
import type { Selection } from './dead-letter-box.ts'
import { jsonBody } from './json-body.ts'
import { parseEdit } from './letter-edit.ts'
import * as schemas from './schemas.ts'

interface ListQuery {
  limit: number
  before?: number
  code?: string
  topic?: string
  destination?: string
  event?: string
  since?: number
  until?: number
  state: LetterState | 'all'
  application?: string
}

const MOST_OFFSETS = 10_000
const EDIT =
  ' With one offset, `edit` is what its record has instead of its own: `value`, as the schema of the topic has it, or ' +
  '`valueBase64`, and `headers` by name, null for one that is taken away.'
const time = { type: 'number', minimum: 0 } as const

export function deadLetterRoutes(app: FastifyInstance, { site }: HttpContext): void {
  app.get<{ Querystring: ListQuery }>(
    '/dead-letters',
    {
      schema: {
        tags: ['dead letters'],
        summary: 'Dead letters, the newest first',
        querystring: schemas.query({
          limit: schemas.limit(1000, 50),
          before: { ...schemas.offset, description: 'Only letters before this offset: `before` of the page before.' },
          code: { type: 'string' },
          topic: { type: 'string' },
          destination: { type: 'string', description: 'Of a delivery: where it was not delivered.' },
          event: { type: 'string', description: 'Of a delivery: the id of the event.' },
          since: { ...time, description: 'Letters from this time on, ms since 1970.' },
          until: { ...time, description: 'Letters before this time, ms since 1970.' },
          state: { type: 'string', enum: ['open', 'replayed', 'purged', 'all'], default: 'all' },
          application: schemas.application,
        }),
        response: schemas.answers('{letters, before, open, total}', 400, 401, 404),
      },
    },
    async request => {
      const { limit, before, state, application, code, topic, destination, event, since, until } = request.query
      const box = site.letters(site.application(application))
      const chosen = { code, topic, destination, event, since, until, state: state === 'all' ? undefined : state }
      const page = await box.list(chosen, before, limit)
      const { open, total } = await box.counts()
      return { ...page, open, total }
    },
  )

  app.get<{ Params: { offset: number }; Querystring: { application?: string } }>(
    '/dead-letters/:offset',
    {
      schema: {
        tags: ['dead letters'],
        summary: 'One dead letter',
        params: { type: 'object', properties: { offset: schemas.offset }, required: ['offset'] },
        querystring: schemas.query({ application: schemas.application }),
        response: schemas.answers('The letter', 400, 401, 404),
      },
    },
    async request => await site.letters(site.application(request.query.application)).get(request.params.offset),
  )

  for (const [change, summary, more] of [
    ['replay', 'Append the records of dead letters to their topics again, each once', EDIT],
    ['purge', 'Give dead letters up', ''],
  ] as const) {
    app.post<{ Querystring: { application?: string } }>(
      `/dead-letters/${change}`,
      {
        schema: {
          tags: ['dead letters'],
          summary,
          description:
            'The body is {"offsets": [1, 2]}, or {"all": true} with `code`, `topic`, `destination`, `since` and `until` to choose by.' +
            more,
          consumes: [BODY_TYPES.json],
          querystring: schemas.query({ application: schemas.application }),
          response: schemas.answers('{changed, skipped, failed}', 400, 401, 404, 415, 503),
        },
      },
      async request => {
        const box = site.letters(site.application(request.query.application))
        return await box[change](readSelection(request, change === 'replay'))
      },
    )
  }
}

function readSelection(request: FastifyRequest, mayEdit: boolean): Selection {
  const json = jsonBody(request, 'name offsets, or all')
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong(`not ${describe(json)}`)
  const { offsets, all, edit, ...filter } = json as Record<string, unknown>
  const { code, topic, destination, since, until, ...others } = filter
  const other = Object.keys(others)[0]
  if (other !== undefined) throw wrong(`without ${other}`)
  if (edit !== undefined && !mayEdit) throw wrong('without edit')
  if ((offsets === undefined) === (all === undefined)) throw wrong('one of the two')
  if (all !== undefined) {
    if (all !== true) throw wrong('and all is true or not there')
    if (edit !== undefined) throw wrong('and edit goes with one offset')
    return {
      all,
      code: textOf(code, 'code'),
      topic: textOf(topic, 'topic'),
      destination: textOf(destination, 'destination'),
      since: timeOf(since, 'since'),
      until: timeOf(until, 'until'),
    }
  }
  if (!Array.isArray(offsets) || offsets.length > MOST_OFFSETS || !offsets.every(isOffset)) {
    throw wrong(`with at most ${MOST_OFFSETS} offsets, whole numbers from 0`)
  }
  const chosen = Object.keys(filter)[0]
  if (chosen !== undefined) throw wrong(`and ${chosen} goes with all`)
  if (edit === undefined) return { offsets }
  if (offsets.length !== 1) throw wrong('and edit goes with one offset')
  return { offsets, edit: parseEdit(edit) }
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function textOf(value: unknown, name: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw wrong(`and ${name} is text`)
}

function timeOf(value: unknown, name: string): number | undefined {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return value
  throw wrong(`and ${name} is a time in ms since 1970`)
}

function wrong(reason: string): AldebaranError {
  return new AldebaranError('BODY_INVALID', `the body is {"offsets": [1, 2]} or {"all": true}, ${reason}`)
}
