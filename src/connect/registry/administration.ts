/** Deleting subjects and versions, and what is set for subjects: compatibility and mode. */

import { refused } from './refusal.ts'
import { checkKnown, checkSubject, levelOf, modeOf, referrers, type SchemaRegistry, versionIn } from './registry.ts'
import { isWord, LEVELS, type Level, MODES, type Mode, type RegistryState, type Version } from './state.ts'
import type { RegistryRecord } from './store.ts'

/**
 * Deletes a version: softly, or for good what was deleted softly before. Returns its number.
 * @throws REGISTRY_REFUSED 40401, 40402, 40406, 40407, 42205, 42206
 */
export function deleteVersion(
  registry: SchemaRegistry,
  subject: string,
  wanted: number | 'latest',
  permanent: boolean,
): Promise<number> {
  return changed(registry, subject, state => {
    const version = versionIn(state, subject, wanted, true)
    if (version.deleted && !permanent) {
      throw refused(
        'versionSoftDeleted',
        `Subject '${subject}' Version ${version.version} was soft deleted. Set permanent=true to delete permanently`,
      )
    }
    if (!version.deleted && permanent) {
      throw refused(
        'versionNotSoftDeleted',
        `Subject '${subject}' Version ${version.version} was not deleted first before being permanently deleted`,
      )
    }
    checkNotReferenced(state, version)
    return [[deletion(version, permanent)], version.version]
  })
}

/**
 * Deletes all versions of a subject, and what is set for it. Returns their numbers.
 * @throws REGISTRY_REFUSED 40401, 40404, 40405, 42205, 42206
 */
export function deleteSubject(registry: SchemaRegistry, subject: string, permanent: boolean): Promise<number[]> {
  return changed(registry, subject, state => {
    checkKnown(state, subject, true)
    const live = state.versions(subject, false)
    const versions = permanent ? state.versions(subject, true) : live
    if (!permanent && live.length === 0) {
      throw refused(
        'subjectSoftDeleted',
        `Subject '${subject}' was soft deleted. Set permanent=true to delete permanently`,
      )
    }
    if (permanent && live.length > 0) {
      throw refused(
        'subjectNotSoftDeleted',
        `Subject '${subject}' was not deleted first before being permanently deleted`,
      )
    }
    for (const version of versions) checkNotReferenced(state, version)
    const records = versions.map(version => deletion(version, permanent))
    if (state.compatibility.has(subject)) records.push({ key: { kind: 'compatibility', subject }, value: null })
    if (state.modes.has(subject)) records.push({ key: { kind: 'mode', subject }, value: null })
    return [records, versions.map(one => one.version)]
  })
}

/** `subject` null: for all. @throws REGISTRY_REFUSED 42203, 42205 */
export function setCompatibility(registry: SchemaRegistry, subject: string | null, level: unknown): Promise<Level> {
  if (subject !== null) checkSubject(subject)
  return changed(registry, subject, () => {
    if (!isWord(LEVELS, level) || level === null) {
      throw refused('invalidCompatibility', `Invalid compatibility level. Valid values are ${LEVELS.join(', ')}`)
    }
    return [[{ key: { kind: 'compatibility', subject }, value: level }], level]
  })
}

/** Returns the level that was set. @throws REGISTRY_REFUSED 40401, 42205 */
export function unsetCompatibility(registry: SchemaRegistry, subject: string | null): Promise<Level> {
  return changed(registry, subject, state => {
    const before = state.compatibility.get(subject)
    if (subject !== null && before === undefined) throw refused('subjectUnknown', `Subject '${subject}' not found.`)
    return [[{ key: { kind: 'compatibility', subject }, value: null }], before ?? levelOf(state, null)]
  })
}

/**
 * Mode IMPORT is for what is empty, unless forced: ids are given from outside.
 * @throws REGISTRY_REFUSED 42204, 42205
 */
export async function setMode(
  registry: SchemaRegistry,
  subject: string | null,
  mode: unknown,
  force: boolean,
): Promise<Mode> {
  if (subject !== null) checkSubject(subject)
  if (!isWord(MODES, mode) || mode === null) {
    throw refused('invalidMode', `Invalid mode. Valid values are ${MODES.join(', ')}`)
  }
  return changedAnyway(registry, state => {
    const inTheWay = subject === null ? state.subjects.size > 0 : state.versions(subject, true).length > 0
    if (mode === 'IMPORT' && inTheWay && !force && modeOf(state, subject) !== 'IMPORT') {
      throw refused('notPermitted', 'Cannot import since found existing subjects')
    }
    return [[{ key: { kind: 'mode', subject }, value: mode }], mode]
  })
}

/** Returns the mode that was set. @throws REGISTRY_REFUSED 40401 */
export function unsetMode(registry: SchemaRegistry, subject: string | null): Promise<Mode> {
  return changedAnyway(registry, state => {
    const before = state.modes.get(subject)
    if (subject !== null && before === undefined) throw refused('subjectUnknown', `Subject '${subject}' not found.`)
    return [[{ key: { kind: 'mode', subject }, value: null }], before ?? modeOf(state, null)]
  })
}

type Plan<T> = (state: RegistryState) => [records: RegistryRecord[], answer: T]

/** Writes what the plan says, unless the subject may only be read. */
function changed<T>(registry: SchemaRegistry, subject: string | null, plan: Plan<T>): Promise<T> {
  return changedAnyway(registry, state => {
    if (modeOf(state, subject) === 'READONLY') {
      throw refused('notPermitted', `Subject ${subject ?? 'of any name'} is in read-only mode`)
    }
    return plan(state)
  })
}

function changedAnyway<T>({ store }: SchemaRegistry, plan: Plan<T>): Promise<T> {
  return store.exclusively(async () => {
    const [records, answer] = plan(await store.refresh())
    await store.append(records)
    return answer
  })
}

function deletion({ subject, version, by }: Version, permanent: boolean): RegistryRecord {
  return { key: { kind: 'deleted', subject, version, by }, value: { permanent } }
}

function checkNotReferenced(state: RegistryState, { subject, version }: Version): void {
  const ids = referrers(state, subject, version, true)
  if (ids.length === 0) return
  throw refused(
    'referenced',
    `One or more references exist to the schema {subject=${subject},version=${version}}: of schemas ${ids.join(', ')}`,
  )
}
