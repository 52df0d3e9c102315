/**
 * A schema registry over a topic of the log: subjects with their versions, schemas with their ids, what may be registered,
 * and what is compatible. What it does and refuses is what Confluent's registry does and refuses.
 *
 * A write is decided twice: here, with what is known, and by the order of the topic (`state.ts`). Who lost against another
 * process sees it when it has read its own record, and decides again with what is known then.
 */
import type { Log } from '../../log/contract.ts'
import { type Clock, systemClock } from '../../time/clock.ts'
import { incompatibilities } from './compatibility.ts'
import { type ReadSchema, type Referenced, readSchema, type SchemaReference, type SchemaText } from './read-schema.ts'
import { refused } from './refusal.ts'
import type { KnownSchema, Level, Mode, RegistryState, Version } from './state.ts'
import { type RegistryRecord, RegistryStore } from './store.ts'

export const DEFAULT_TOPIC = 'aldebaran.schemas'
const DEFAULT_LEVEL: Level = 'BACKWARD'
const DEFAULT_MODE: Mode = 'READWRITE'
const HIGHEST = 2 ** 31 - 1
/** Other processes would have to win as often in a row. */
const MOST_TRIES = 100

export interface RegisterRequest extends SchemaText {
  /** Given in mode IMPORT only. */
  id?: number
  version?: number
}

export interface SchemaOptions {
  /** Keep and tell the schema with full names and sorted keys. Default: as it was given, but for spaces. */
  normalize?: boolean
  /** Softly deleted versions count too. Default: no. */
  deleted?: boolean
}

export class SchemaRegistry {
  readonly store: RegistryStore
  readonly #read = new Map<number, ReadSchema>()

  constructor(store: RegistryStore) {
    this.store = store
  }

  static async open(log: Log, topic: string = DEFAULT_TOPIC, clock: Clock = systemClock): Promise<SchemaRegistry> {
    return new SchemaRegistry(await RegistryStore.open(log, topic, clock))
  }

  /** What is registered now. */
  current(): Promise<RegistryState> {
    return this.store.refresh()
  }

  /**
   * Gives the schema an id, and the subject a version with it; both are there already when it was registered before.
   * @throws REGISTRY_REFUSED 409, 42201, 42205, 42208
   */
  register(subject: string, request: RegisterRequest, options: SchemaOptions = {}): Promise<Version> {
    checkSubject(subject)
    return this.store.exclusively(async () => {
      for (let tries = 0; tries < MOST_TRIES; tries++) {
        const state = await this.store.refresh()
        const schema = this.#readNew(state, request)
        const mode = modeOf(state, subject)
        checkMayRegister(subject, mode, request.id)
        const known = sameAs(state, subject, schema, false)
        if (known !== undefined && (request.id ?? known.schema.id) === known.schema.id) return known
        if (mode !== 'IMPORT') this.#checkCompatible(state, subject, schema)
        const by = this.store.newName()
        await this.store.append(recordsFor(state, subject, schema, request, options, by))
        const taken = state.versions(subject, true).find(version => version.by === by)
        if (taken !== undefined) return taken
        if (request.id !== undefined) throw notImported(request.id)
      }
      throw refused('store', 'Other writers were faster too often: try again')
    })
  }

  /** @throws REGISTRY_REFUSED 40401, 40403, 42201 */
  async lookUp(subject: string, request: SchemaText, { deleted = false }: SchemaOptions = {}): Promise<Version> {
    const state = await this.store.refresh()
    checkKnown(state, subject, deleted)
    const found = sameAs(state, subject, this.#readNew(state, request), deleted)
    if (found === undefined) throw refused('schemaUnknown', 'Schema not found')
    return found
  }

  /** @throws REGISTRY_REFUSED 40401, 40402 */
  async version(subject: string, wanted: number | 'latest', { deleted = false }: SchemaOptions = {}): Promise<Version> {
    return versionIn(await this.store.refresh(), subject, wanted, deleted)
  }

  /** Ids of the schemas that refer to a version. */
  async referencedBy(
    subject: string,
    wanted: number | 'latest',
    { deleted = false }: SchemaOptions = {},
  ): Promise<number[]> {
    const state = await this.store.refresh()
    const { version } = versionIn(state, subject, wanted, true)
    return referrers(state, subject, version, deleted)
  }

  /** A schema by its id: of a version that is not deleted for good. @throws REGISTRY_REFUSED 40403 */
  async schema(id: number): Promise<KnownSchema> {
    const state = await this.store.refresh()
    const schema = state.schemas.get(id)
    if (schema === undefined || usesOf(state, id, true).length === 0) {
      throw refused('schemaUnknown', `Schema ${id} not found`)
    }
    return schema
  }

  /** The versions that have the id. @throws REGISTRY_REFUSED 40403 */
  async uses(id: number, { deleted = false }: SchemaOptions = {}): Promise<Version[]> {
    await this.schema(id)
    return usesOf(this.store.state, id, deleted)
  }

  /**
   * Why the schema cannot be registered next to a version, or to all that its level compares it with; empty: it can.
   * @throws REGISTRY_REFUSED 40401, 40402, 42201
   */
  async check(subject: string, wanted: number | 'latest' | null, request: SchemaText): Promise<string[]> {
    const state = await this.store.refresh()
    const schema = this.#readNew(state, request)
    const versions = wanted === null ? state.versions(subject, false) : [versionIn(state, subject, wanted, false)]
    return incompatibilities(schema, versions.map(this.#readVersion(state)), levelOf(state, subject))
  }

  #checkCompatible(state: RegistryState, subject: string, schema: ReadSchema): void {
    const level = levelOf(state, subject)
    const earlier = state.versions(subject, false).map(this.#readVersion(state))
    const reasons = incompatibilities(schema, earlier, level)
    if (reasons.length === 0) return
    throw refused(
      'incompatible',
      `Schema being registered is incompatible with an earlier schema for subject "${subject}", with compatibility ${level}: ${reasons.join('; ')}`,
    )
  }

  #readVersion(state: RegistryState) {
    return ({ version, schema }: Version) => ({ version, schema: this.#readKnown(state, schema) })
  }

  #readNew(state: RegistryState, { type, text, references }: SchemaText): ReadSchema {
    const others: Referenced[] = []
    for (const reference of references) this.#collect(state, reference, others)
    return readSchema({ type, text, references }, others)
  }

  #readKnown(state: RegistryState, schema: KnownSchema): ReadSchema {
    let read = this.#read.get(schema.id)
    if (read === undefined) {
      read = this.#readNew(state, schema)
      this.#read.set(schema.id, read)
    }
    return read
  }

  /** Adds what a reference leads to, after what that refers to. */
  #collect(state: RegistryState, { name, subject, version }: SchemaReference, others: Referenced[]): void {
    if (others.some(other => other.name === name)) return
    const found = state.versions(subject, true).find(known => known.version === version)
    if (found === undefined) {
      throw refused(
        'invalidSchema',
        `Invalid schema: it refers to version ${version} of subject '${subject}', which is not there`,
      )
    }
    const read = this.#readKnown(state, found.schema)
    for (const other of read.others) if (!others.some(known => known.name === other.name)) others.push(other)
    others.push({ name, definition: jsonOf(read) })
  }
}

function jsonOf(read: ReadSchema): unknown {
  return JSON.parse(read.text)
}

/** The records that register a schema: with its id, if it has none yet, and the next version of the subject. */
function recordsFor(
  state: RegistryState,
  subject: string,
  schema: ReadSchema,
  request: RegisterRequest,
  options: SchemaOptions,
  by: string,
): RegistryRecord[] {
  const { fingerprint, type, references } = schema
  const text = options.normalize === true ? schema.normalized : schema.text
  const records: RegistryRecord[] = []
  const known = request.id === undefined ? state.ids.get(fingerprint) : state.schemas.get(request.id)?.id
  const id = request.id ?? known ?? state.highestId + 1
  if (known === undefined) {
    const value = { type, text, references, fingerprint, imported: request.id !== undefined }
    records.push({ key: { kind: 'schema', id, by }, value })
  }
  const version = request.version ?? Math.max(0, ...state.versions(subject, true).map(one => one.version)) + 1
  records.push({ key: { kind: 'version', subject, version, by }, value: { id, fingerprint } })
  return records
}

/** The version of a subject that has this very schema, the last one if there are several. */
function sameAs(state: RegistryState, subject: string, schema: ReadSchema, deleted: boolean): Version | undefined {
  return state.versions(subject, deleted).findLast(version => version.schema.fingerprint === schema.fingerprint)
}

export function levelOf(state: RegistryState, subject: string | null): Level {
  return state.compatibility.get(subject) ?? state.compatibility.get(null) ?? DEFAULT_LEVEL
}

export function modeOf(state: RegistryState, subject: string | null): Mode {
  return state.modes.get(subject) ?? state.modes.get(null) ?? DEFAULT_MODE
}

export function versionIn(state: RegistryState, subject: string, wanted: number | 'latest', deleted: boolean): Version {
  checkKnown(state, subject, deleted)
  const versions = state.versions(subject, deleted)
  const found = wanted === 'latest' ? versions.at(-1) : versions.find(one => one.version === wanted)
  if (found === undefined) throw refused('versionUnknown', `Version ${wanted} not found.`)
  return found
}

export function checkKnown(state: RegistryState, subject: string, deleted: boolean): void {
  if (state.versions(subject, deleted).length === 0) {
    throw refused('subjectUnknown', `Subject '${subject}' not found.`)
  }
}

/** Ids of the schemas that refer to a version; with `deleted`, of softly deleted versions too. */
export function referrers(state: RegistryState, subject: string, version: number, deleted: boolean): number[] {
  const ids = new Set<number>()
  for (const one of state.all()) {
    const refers = one.schema.references.some(to => to.subject === subject && to.version === version)
    if (refers && (deleted || !one.deleted)) ids.add(one.schema.id)
  }
  return [...ids].sort((a, b) => a - b)
}

function usesOf(state: RegistryState, id: number, deleted: boolean): Version[] {
  return state.all().filter(version => version.schema.id === id && (deleted || !version.deleted))
}

export function checkSubject(subject: string): void {
  // A name that begins like this names a context of Confluent's, which this registry has none of.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (subject === '' || subject.length > 1000 || subject.startsWith(':.') || /[\x00-\x1f\x7f]/.test(subject)) {
    throw refused('invalidSubject', `The specified subject '${subject.slice(0, 100)}' is not a valid subject.`)
  }
}

function checkMayRegister(subject: string, mode: Mode, id: number | undefined): void {
  if (mode === 'READONLY') throw refused('notPermitted', `Subject ${subject} is in read-only mode`)
  if (mode === 'IMPORT' && id === undefined) throw refused('notPermitted', `Subject ${subject} is in import mode`)
  if (mode !== 'IMPORT' && id !== undefined) throw refused('notPermitted', `Subject ${subject} is not in import mode`)
  if (id !== undefined && !(Number.isInteger(id) && id >= 1 && id <= HIGHEST)) {
    throw refused('invalidSchema', `${id} is no id of a schema`)
  }
}

function notImported(id: number): Error {
  return refused('notPermitted', `Overwrite new schema with id ${id} is not permitted.`)
}
