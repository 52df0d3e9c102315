/**
 * What the records of the registry's topic come to. Any process that reads them in their order comes to the same state,
 * also after the topic was compacted; so it does not matter who wrote what at the same time.
 *
 * Invariants
 * 1. Schemas and versions are facts: each record has a key of its own (`by`), which is never written again, so that
 *    compaction keeps all of them and their order. Of two that want the same id, or the same version of a subject, the
 *    first in the topic is taken and the other one never counts.
 * 2. A version names its schema by id and fingerprint: it does not count if that id went to another schema.
 * 3. Everything else (deletions, compatibility, modes) is a last word: the last record of its key counts. A deletion
 *    names the version by its `by`, and is permanent at last: a version number that is free again can be taken again.
 */
import type { SchemaReference, SchemaType } from './read-schema.ts'

export const LEVELS = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const
export const MODES = ['READWRITE', 'READONLY', 'IMPORT'] as const

export type Level = (typeof LEVELS)[number]
export type Mode = (typeof MODES)[number]

/** `subject` null: for all subjects that have none of their own. */
export type RegistryKey =
  | { kind: 'schema'; id: number; by: string }
  | { kind: 'version'; subject: string; version: number; by: string }
  | { kind: 'deleted'; subject: string; version: number; by: string }
  | { kind: 'compatibility'; subject: string | null }
  | { kind: 'mode'; subject: string | null }

export interface SchemaFact {
  type: SchemaType
  text: string
  references: readonly SchemaReference[]
  fingerprint: string
  /** Its id was given from outside: it may be another id of a schema that has one. */
  imported: boolean
}

export interface VersionFact {
  id: number
  fingerprint: string
}

export interface KnownSchema extends SchemaFact {
  readonly id: number
}

export interface Version {
  readonly subject: string
  readonly version: number
  readonly schema: KnownSchema
  readonly by: string
  /** Softly: it can be read still, and asked for. */
  deleted: boolean
}

export class RegistryState {
  readonly schemas = new Map<number, KnownSchema>()
  /** The first id of each schema, by fingerprint. */
  readonly ids = new Map<string, number>()
  /** Versions that are not deleted for good, by ascending number. */
  readonly subjects = new Map<string, Version[]>()
  readonly compatibility = new Map<string | null, Level>()
  readonly modes = new Map<string | null, Mode>()
  /** The highest id that was ever asked for. */
  highestId = 0
  /** Records that are none of the registry's. */
  foreign = 0

  /** Takes a record of the topic in. What is not understood, as that of a newer version, is passed over. */
  apply(key: RegistryKey, value: unknown): void {
    const isFact = typeof value === 'object' && value !== null
    if (key.kind === 'compatibility' && isWord(LEVELS, value)) setOrDelete(this.compatibility, key.subject, value)
    else if (key.kind === 'mode' && isWord(MODES, value)) setOrDelete(this.modes, key.subject, value)
    else if (key.kind === 'schema' && isFact) this.#addSchema(key.id, value as SchemaFact)
    else if (key.kind === 'version' && isFact) this.#addVersion(key, value as VersionFact)
    else if (key.kind === 'deleted' && isFact) this.#delete(key, (value as { permanent: boolean }).permanent)
    else this.foreign++
  }

  /** Versions of a subject; with `deleted`, softly deleted ones too. */
  versions(subject: string, deleted: boolean): Version[] {
    const all = this.subjects.get(subject) ?? []
    return deleted ? all : all.filter(version => !version.deleted)
  }

  /** Every version of every subject, by subject and number. */
  all(): Version[] {
    return [...this.subjects.keys()].sort().flatMap(subject => this.subjects.get(subject)!)
  }

  #addSchema(id: number, fact: SchemaFact): void {
    this.highestId = Math.max(this.highestId, id)
    const isKnown = this.ids.has(fact.fingerprint)
    if (this.schemas.has(id) || (isKnown && !fact.imported)) return
    this.schemas.set(id, { ...fact, id })
    if (!isKnown) this.ids.set(fact.fingerprint, id)
  }

  #addVersion({ subject, version, by }: Extract<RegistryKey, { kind: 'version' }>, fact: VersionFact): void {
    const schema = this.schemas.get(fact.id)
    if (schema === undefined || schema.fingerprint !== fact.fingerprint) return
    const versions = this.subjects.get(subject) ?? []
    if (versions.some(known => known.version === version)) return
    versions.push({ subject, version, schema, by, deleted: false })
    versions.sort((a, b) => a.version - b.version)
    this.subjects.set(subject, versions)
  }

  #delete({ subject, version, by }: Extract<RegistryKey, { kind: 'deleted' }>, permanent: boolean): void {
    const versions = this.subjects.get(subject) ?? []
    const found = versions.find(known => known.version === version && known.by === by)
    if (found === undefined) return
    found.deleted = true
    if (!permanent) return
    const left = versions.filter(known => known !== found)
    if (left.length > 0) this.subjects.set(subject, left)
    else this.subjects.delete(subject)
  }
}

/** One of the words, or null: none any longer. */
export function isWord<W extends string>(words: readonly W[], value: unknown): value is W | null {
  return value === null || words.includes(value as W)
}

function setOrDelete<V>(map: Map<string | null, V>, key: string | null, value: V | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}
