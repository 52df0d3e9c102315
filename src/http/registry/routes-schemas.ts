import type { AddRoute } from './add-route.ts'
import { flag, idOf, page, text } from './requests.ts'
import { prefixOf, versionView } from './routes-subjects.ts'

export function schemaRoutes(add: AddRoute): void {
  add('GET', '/schemas', async (registry, request) => {
    const state = await registry.current()
    const prefix = prefixOf(text(request, 'subjectPrefix'))
    const deleted = flag(request, 'deleted')
    const found = [...state.subjects.keys()]
      .filter(subject => subject.startsWith(prefix))
      .sort()
      .flatMap(subject => {
        const versions = state.versions(subject, deleted)
        return flag(request, 'latestOnly') ? versions.slice(-1) : versions
      })
    return page(request, found.map(versionView))
  })

  add('GET', '/schemas/ids/:id', async (registry, request) => {
    const { type, text: schema, references } = await registry.schema(idOf(request))
    const { highestId } = registry.store.state
    return {
      ...(type === 'AVRO' ? {} : { schemaType: type }),
      ...(references.length === 0 ? {} : { references }),
      schema,
      ...(flag(request, 'fetchMaxId') ? { maxId: highestId } : {}),
    }
  })

  add('GET', '/schemas/ids/:id/schema', async (registry, request) =>
    JSON.parse((await registry.schema(idOf(request))).text),
  )

  add('GET', '/schemas/ids/:id/subjects', async (registry, request) => {
    const uses = await registry.uses(idOf(request), { deleted: flag(request, 'deleted') })
    return page(request, [...new Set(uses.map(one => one.subject))])
  })

  add('GET', '/schemas/ids/:id/versions', async (registry, request) => {
    const uses = await registry.uses(idOf(request), { deleted: flag(request, 'deleted') })
    return page(
      request,
      uses.map(({ subject, version }) => ({ subject, version })),
    )
  })
}
