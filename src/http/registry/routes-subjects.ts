import { deleteSubject, deleteVersion } from '../../connect/registry/administration.ts'
import { checkKnown } from '../../connect/registry/registry.ts'
import type { Version } from '../../connect/registry/state.ts'
import type { AddRoute } from './add-route.ts'
import { flag, page, pathPart, schemaOf, text, versionOf } from './requests.ts'

export function subjectRoutes(add: AddRoute): void {
  add('GET', '/subjects', async (registry, request) => {
    const state = await registry.current()
    const prefix = prefixOf(text(request, 'subjectPrefix'))
    const onlyDeleted = flag(request, 'deletedOnly')
    const deleted = flag(request, 'deleted') || onlyDeleted
    const names = [...state.subjects.keys()].filter(name => {
      const live = state.versions(name, false).length
      return name.startsWith(prefix) && (onlyDeleted ? live === 0 : deleted || live > 0)
    })
    return page(request, names.sort())
  })

  add('POST', '/subjects/:subject', async (registry, request) => {
    const options = { deleted: flag(request, 'deleted', 'lookupDeletedSchema') }
    return versionView(await registry.lookUp(pathPart(request, 'subject'), schemaOf(request), options))
  })

  add('DELETE', '/subjects/:subject', (registry, request) =>
    deleteSubject(registry, pathPart(request, 'subject'), flag(request, 'permanent')),
  )

  add('GET', '/subjects/:subject/versions', async (registry, request) => {
    const state = await registry.current()
    const subject = pathPart(request, 'subject')
    const onlyDeleted = flag(request, 'deletedOnly')
    const deleted = flag(request, 'deleted') || onlyDeleted
    checkKnown(state, subject, deleted)
    const versions = state.versions(subject, deleted).filter(one => !onlyDeleted || one.deleted)
    return page(
      request,
      versions.map(one => one.version),
    )
  })

  add('POST', '/subjects/:subject/versions', async (registry, request) => {
    const options = { normalize: flag(request, 'normalize') }
    const { schema, version } = await registry.register(pathPart(request, 'subject'), schemaOf(request), options)
    return { id: schema.id, version }
  })

  add('GET', '/subjects/:subject/versions/:version', async (registry, request) => {
    const options = { deleted: flag(request, 'deleted') }
    return versionView(await registry.version(pathPart(request, 'subject'), versionOf(request), options))
  })

  add('GET', '/subjects/:subject/versions/:version/schema', async (registry, request) => {
    const options = { deleted: flag(request, 'deleted') }
    const { schema } = await registry.version(pathPart(request, 'subject'), versionOf(request), options)
    return JSON.parse(schema.text)
  })

  add('GET', '/subjects/:subject/versions/:version/referencedby', (registry, request) =>
    registry.referencedBy(pathPart(request, 'subject'), versionOf(request), { deleted: flag(request, 'deleted') }),
  )

  add('DELETE', '/subjects/:subject/versions/:version', (registry, request) =>
    deleteVersion(registry, pathPart(request, 'subject'), versionOf(request), flag(request, 'permanent')),
  )

  add('POST', '/compatibility/subjects/:subject/versions', async (registry, request) => {
    const reasons = await registry.check(pathPart(request, 'subject'), null, schemaOf(request))
    return verdict(reasons, flag(request, 'verbose'))
  })

  add('POST', '/compatibility/subjects/:subject/versions/:version', async (registry, request) => {
    const reasons = await registry.check(pathPart(request, 'subject'), versionOf(request), schemaOf(request))
    return verdict(reasons, flag(request, 'verbose'))
  })
}

/** As Confluent tells it: the type of Avro schemas, and what there is none of, is left out. */
export function versionView({ subject, version, schema }: Version): Record<string, unknown> {
  const { id, type, references, text: schemaText } = schema
  return {
    subject,
    version,
    id,
    ...(type === 'AVRO' ? {} : { schemaType: type }),
    ...(references.length === 0 ? {} : { references }),
    schema: schemaText,
  }
}

/** The prefix of all contexts, which clients ask with, is that of all subjects here. */
export function prefixOf(given: string | undefined): string {
  return given === undefined || given === ':*:' ? '' : given
}

function verdict(reasons: readonly string[], verbose: boolean): Record<string, unknown> {
  return { is_compatible: reasons.length === 0, ...(verbose ? { messages: reasons } : {}) }
}
