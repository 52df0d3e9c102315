import type { FastifyRequest } from 'fastify'
import { setCompatibility, setMode, unsetCompatibility, unsetMode } from '../../connect/registry/administration.ts'
import { refused } from '../../connect/registry/refusal.ts'
import { levelOf, modeOf } from '../../connect/registry/registry.ts'
import type { AddRoute } from './add-route.ts'
import { bodyOf, flag, pathPart } from './requests.ts'

export function settingRoutes(add: AddRoute): void {
  for (const path of ['/config', '/config/:subject']) {
    add('GET', path, async (registry, request) => {
      const state = await registry.current()
      const subject = subjectOf(request)
      if (subject !== null && !state.compatibility.has(subject) && !flag(request, 'defaultToGlobal')) {
        const message = `Subject '${subject}' does not have subject-level compatibility configured`
        throw refused('noSubjectCompatibility', message)
      }
      return { compatibilityLevel: levelOf(state, subject) }
    })
    add('PUT', path, async (registry, request) => ({
      compatibility: await setCompatibility(registry, subjectOf(request), bodyOf(request).compatibility),
    }))
    add('DELETE', path, async (registry, request) => ({
      compatibilityLevel: await unsetCompatibility(registry, subjectOf(request)),
    }))
  }
  for (const path of ['/mode', '/mode/:subject']) {
    add('GET', path, async (registry, request) => {
      const state = await registry.current()
      const subject = subjectOf(request)
      if (subject !== null && !state.modes.has(subject) && !flag(request, 'defaultToGlobal')) {
        throw refused('noSubjectMode', `Subject '${subject}' does not have subject-level mode configured`)
      }
      return { mode: modeOf(state, subject) }
    })
    add('PUT', path, async (registry, request) => ({
      mode: await setMode(registry, subjectOf(request), bodyOf(request).mode, flag(request, 'force')),
    }))
    add('DELETE', path, async (registry, request) => ({ mode: await unsetMode(registry, subjectOf(request)) }))
  }
}

/** Null: all subjects. */
function subjectOf(request: FastifyRequest): string | null {
  const subject = pathPart(request, 'subject')
  return subject === '' ? null : subject
}
