/**
 * A client of any registry that speaks Confluent's REST API.
 *
 * What cannot change is asked once: the schema of an id, the id of a schema in a subject. Who asks for the same at the
 * same time shares the answer.
 */
import { AldebaranError } from '../../errors.ts'
import { parseAvroText } from '../../schema/avro-parse.ts'
import { selfContained } from '../../schema/avro-references.ts'
import type { AvroDefinition } from '../../schema/field-types.ts'
import type { SchemaReference } from './read-schema.ts'
import { type RegistryRequest, type RegistrySettings, RegistryTransport } from './transport.ts'

/** A schema as it is sent: its text, its type (default AVRO), and what it refers to. */
export interface SchemaDraft {
  readonly schema: string
  readonly schemaType?: 'AVRO' | 'JSON' | 'PROTOBUF'
  readonly references?: readonly SchemaReference[]
}

/** A schema as the registry knows it. */
export interface RegisteredSchema extends SchemaDraft {
  readonly id: number
}

export interface RegisteredVersion extends RegisteredSchema {
  readonly subject: string
  readonly version: number
}

/** How deep references may lead. */
const DEEPEST = 32

interface UnderWay {
  answer: Promise<unknown>
  background: boolean
}

export class RegistryClient {
  readonly #transport: RegistryTransport
  readonly #schemas = new Map<number, RegisteredSchema>()
  readonly #ids = new Map<string, number>()
  readonly #definitions = new Map<number, AvroDefinition>()
  readonly #underWay = new Map<string, UnderWay>()

  constructor(settings: RegistrySettings) {
    this.#transport = new RegistryTransport(settings)
  }

  /** Where the registry is, without credentials. */
  get address(): string {
    return this.#transport.address
  }

  /** Registers the schema, if it is not there yet. Returns its id. @throws REGISTRY_REFUSED, REGISTRY_UNREACHABLE */
  async register(
    subject: string,
    draft: SchemaDraft,
    options: { normalize?: boolean; background?: boolean } = {},
  ): Promise<number> {
    const key = keyOf(subject, draft)
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const path = `/subjects/${encodeURIComponent(subject)}/versions${options.normalize === true ? '?normalize=true' : ''}`
    const { id } = await this.#once<{ id: number }>({ method: 'POST', path, body: draft, ...backgroundOf(options) })
    this.#ids.set(key, id)
    return id
  }

  /** The version that has the schema. @throws REGISTRY_REFUSED when the subject has none */
  async lookUp(
    subject: string,
    draft: SchemaDraft,
    options: { normalize?: boolean; background?: boolean } = {},
  ): Promise<RegisteredVersion> {
    const path = `/subjects/${encodeURIComponent(subject)}${options.normalize === true ? '?normalize=true' : ''}`
    const found = await this.#once<RegisteredVersion>({ method: 'POST', path, body: draft, ...backgroundOf(options) })
    this.#ids.set(keyOf(subject, draft), found.id)
    return found
  }

  /** @throws REGISTRY_REFUSED for an id that the registry does not know */
  async schema(id: number, options: { background?: boolean } = {}): Promise<RegisteredSchema> {
    const known = this.#schemas.get(id)
    if (known !== undefined) return known
    const answer = await this.#once<SchemaDraft>({
      method: 'GET',
      path: `/schemas/ids/${id}`,
      ...backgroundOf(options),
    })
    const schema = { ...answer, id }
    this.#schemas.set(id, schema)
    return schema
  }

  version(
    subject: string,
    version: number | 'latest',
    options: { background?: boolean } = {},
  ): Promise<RegisteredVersion> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}`
    return this.#once({ method: 'GET', path, ...backgroundOf(options) })
  }

  subjects(options: { prefix?: string; deleted?: boolean } = {}): Promise<string[]> {
    const query = new URLSearchParams()
    if (options.prefix !== undefined) query.set('subjectPrefix', options.prefix)
    if (options.deleted === true) query.set('deleted', 'true')
    return this.#once({ method: 'GET', path: `/subjects?${query}` })
  }

  versions(subject: string): Promise<number[]> {
    return this.#once({ method: 'GET', path: `/subjects/${encodeURIComponent(subject)}/versions` })
  }

  /** Why the schema cannot be registered next to a version; empty: it can. */
  async check(subject: string, version: number | 'latest', draft: SchemaDraft): Promise<string[]> {
    const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/${version}?verbose=true`
    const answer = await this.#once<{ is_compatible: boolean; messages?: string[] }>({
      method: 'POST',
      path,
      body: draft,
    })
    if (answer.is_compatible) return []
    return answer.messages === undefined || answer.messages.length === 0 ? ['It is not compatible.'] : answer.messages
  }

  /** Deletes a version, or all of a subject, softly or what was deleted softly for good. Returns their numbers. */
  async delete(subject: string, version: number | 'latest' | null, permanent = false): Promise<number[]> {
    const path = `/subjects/${encodeURIComponent(subject)}${version === null ? '' : `/versions/${version}`}`
    const answer = await this.#transport.ask<number | number[]>({
      method: 'DELETE',
      path: `${path}?permanent=${permanent}`,
    })
    this.#ids.clear()
    return Array.isArray(answer) ? answer : [answer]
  }

  /**
   * The Avro schema of an id with all it refers to.
   * @throws REGISTRY_REFUSED, REGISTRY_UNREACHABLE; SCHEMA_INCOMPATIBLE when it is no Avro schema, SCHEMA_INVALID
   */
  async definition(id: number, options: { background?: boolean } = {}): Promise<AvroDefinition> {
    let definition = this.#definitions.get(id)
    if (definition === undefined) {
      const schema = await this.schema(id, options)
      definition = await this.#resolve(schema, `schema ${id}`, options)
      this.#definitions.set(id, definition)
    }
    return definition
  }

  /** What `definition` found before. */
  knownDefinition(id: number): AvroDefinition | undefined {
    return this.#definitions.get(id)
  }

  /** The Avro schema of a version with all it refers to. */
  async #resolve(schema: SchemaDraft, name: string, options: { background?: boolean }): Promise<AvroDefinition> {
    const type = schema.schemaType ?? 'AVRO'
    if (type !== 'AVRO')
      throw new AldebaranError('SCHEMA_INCOMPATIBLE', `${name} is a ${type} schema, not an Avro schema`)
    const others: unknown[] = []
    await this.#collect(schema, others, new Set(), options, 0)
    return selfContained(parseAvroText(schema.schema), others)
  }

  /** Adds what a schema refers to, each after what it needs. */
  async #collect(
    schema: SchemaDraft,
    others: unknown[],
    seen: Set<string>,
    options: { background?: boolean },
    depth: number,
  ): Promise<void> {
    if (depth > DEEPEST) throw new AldebaranError('SCHEMA_INVALID', 'references of the schema lead too deep')
    for (const { subject, version } of schema.references ?? []) {
      const key = `${version} ${subject}`
      if (seen.has(key)) continue
      seen.add(key)
      const referenced = await this.version(subject, version, options)
      await this.#collect(referenced, others, seen, options, depth + 1)
      others.push(parseAvroText(referenced.schema))
    }
  }

  /** Ends the connections that are kept. */
  close(): void {
    this.#transport.close()
  }

  /** One request for all that ask for the same; but who waits for it does not share one that keeps nothing alive. */
  #once<T>(request: RegistryRequest): Promise<T> {
    const key = `${request.method} ${request.path} ${JSON.stringify(request.body ?? null)}`
    const background = request.background === true
    const underWay = this.#underWay.get(key)
    if (underWay !== undefined && (background || !underWay.background)) return underWay.answer as Promise<T>
    const answer = this.#transport.ask<T>(request)
    this.#underWay.set(key, { answer, background })
    const done = () => {
      if (this.#underWay.get(key)?.answer === answer) this.#underWay.delete(key)
    }
    answer.then(done, done)
    return answer
  }
}

function keyOf(subject: string, { schema, schemaType, references }: SchemaDraft): string {
  return JSON.stringify([subject, schemaType ?? 'AVRO', schema, references ?? []])
}

function backgroundOf({ background }: { background?: boolean }): { background?: boolean } {
  return background === undefined ? {} : { background }
}
