/**
 * Avro values and keys of topics with the ids of a schema registry.
 *
 * Encoding and decoding do not wait, and run in threads that return to their event loop only now and then. What has to be
 * asked of the registry is asked beside them: until the answer is there they throw SCHEMA_PENDING, and while it cannot be
 * had REGISTRY_UNREACHABLE. The fate of both is `retry`, so a task tries the same record again until it can be read.
 */
import { AldebaranError, messageOf } from '../../errors.ts'
import { type AvroSchema, avro, compatible } from '../../schema/avro.ts'
import { avroRegistry, type RegistryWriter } from '../../schema/registry.ts'
import { systemClock } from '../../time/clock.ts'
import type { RegistryClient } from './client.ts'
import { REFUSALS, refusalOf } from './refusal.ts'
import { type SubjectNames, subjectOf } from './subject-names.ts'

export interface AvroTopicSettings {
  /** The topic whose values or keys these are. */
  topic: string
  /** Which of both. Default: 'value'. */
  part?: 'key' | 'value'
  /** How the subject is called. Default: 'topic'. */
  subject?: SubjectNames
  /** Register the schema when it is not there. Default: true; else it must be. */
  autoRegister?: boolean
  /** Write with the latest version of the subject, whatever it is, rather than with this schema. Default: false. */
  useLatest?: boolean
  /** Have the registry compare and keep schemas in their normal form. Default: false. */
  normalize?: boolean
}

export interface RegistrySchema<T> extends AvroSchema<T> {
  readonly subject: string
  /**
   * Resolves when values can be written, and those of all versions of the subject can be read, without asking. Programs that
   * send or subscribe wait for it first; tasks need not.
   *
   * @throws REGISTRY_REFUSED, REGISTRY_UNREACHABLE, SCHEMA_INCOMPATIBLE
   */
  ready(): Promise<void>
}

/** How long an id that the registry does not know is not asked for again, and a failure not tried again, ms. */
const UNKNOWN_MS = 10_000
const FAILED_MS = 1000
/** How long the latest version is taken to be that, ms. */
const LATEST_MS = 60_000
/** Ids come with records, and records may hold anything. */
const MOST_UNKNOWN = 10_000

export function avroTopic<T>(
  client: RegistryClient,
  schema: AvroSchema<T>,
  settings: AvroTopicSettings,
): RegistrySchema<T> {
  const subject = subjectOf(settings.subject ?? 'topic', settings.topic, settings.part ?? 'value', schema.root)
  const writer = new Writer(client, schema, subject, settings)
  const lookup = new Lookup(client)
  return {
    ...avroRegistry(schema, { id: () => writer.now(), lookup: id => lookup.now(id) }),
    subject,
    async ready() {
      await writer.learn()
      const versions = await client.versions(subject)
      await Promise.all(versions.map(async version => client.definition((await client.version(subject, version)).id)))
    },
  }
}

/** What values are written with. */
class Writer<T> {
  readonly #client: RegistryClient
  readonly #schema: AvroSchema<T>
  readonly #subject: string
  readonly #settings: AvroTopicSettings
  #known: RegistryWriter<T> | null = null
  #failure: AldebaranError | null = null
  #until = Number.NEGATIVE_INFINITY
  #isAsking = false

  constructor(client: RegistryClient, schema: AvroSchema<T>, subject: string, settings: AvroTopicSettings) {
    this.#client = client
    this.#schema = schema
    this.#subject = subject
    this.#settings = settings
  }

  now(): RegistryWriter<T> {
    if (this.#known !== null && this.#settings.useLatest !== true) return this.#known
    if (systemClock.monotonic() >= this.#until && !this.#isAsking) {
      this.#isAsking = true
      void this.#learnAside()
    }
    if (this.#known !== null) return this.#known
    throw this.#failure ?? pending(`the id of subject ${this.#subject}`)
  }

  async learn(background = false): Promise<void> {
    const { autoRegister, useLatest, normalize } = this.#settings
    const draft = { schema: this.#schema.definition }
    const options = { background, ...(normalize === undefined ? {} : { normalize }) }
    if (useLatest === true) this.#known = await this.#latest(background)
    else {
      const id =
        autoRegister === false
          ? (await this.#client.lookUp(this.#subject, draft, options)).id
          : await this.#client.register(this.#subject, draft, options)
      this.#known = { id, encode: this.#schema.encode }
    }
    this.#failure = null
    this.#until = systemClock.monotonic() + LATEST_MS
  }

  async #learnAside(): Promise<void> {
    try {
      await this.learn(true)
    } catch (error) {
      this.#failure = failureOf(error)
      this.#until = systemClock.monotonic() + FAILED_MS
    } finally {
      this.#isAsking = false
    }
  }

  async #latest(background: boolean): Promise<RegistryWriter<T>> {
    const { id } = await this.#client.version(this.#subject, 'latest', { background })
    if (this.#known?.id === id) return this.#known
    const definition = await this.#client.definition(id, { background })
    const latest = avro.parse<T>(definition)
    const reasons = compatible(latest, this.#schema)
    if (reasons.length > 0) {
      const message = `the latest schema of subject ${this.#subject} cannot be read as this one: ${reasons.join('; ')}`
      throw new AldebaranError('SCHEMA_INCOMPATIBLE', message, { subject: this.#subject })
    }
    return { id, encode: latest.encode }
  }
}

/** The definitions of writers, by id. */
class Lookup {
  readonly #client: RegistryClient
  /** What an id cannot be had for, and when it is asked for again, monotonic ms. An unknown one has no error. */
  readonly #failures = new Map<number, { error: AldebaranError | undefined; until: number }>()
  readonly #asking = new Set<number>()

  constructor(client: RegistryClient) {
    this.#client = client
  }

  now(id: number) {
    const known = this.#client.knownDefinition(id)
    if (known !== undefined) return known
    const failure = this.#failures.get(id)
    if ((failure === undefined || systemClock.monotonic() >= failure.until) && !this.#asking.has(id)) {
      this.#asking.add(id)
      void this.#learnAside(id)
      throw pending(`schema ${id}`)
    }
    if (failure === undefined || this.#asking.has(id)) throw pending(`schema ${id}`)
    if (failure.error === undefined) return undefined
    throw failure.error
  }

  async #learnAside(id: number): Promise<void> {
    try {
      await this.#client.definition(id, { background: true })
      this.#failures.delete(id)
    } catch (error) {
      const isUnknown = refusalOf(error) === REFUSALS.schemaUnknown
      if (this.#failures.size >= MOST_UNKNOWN) this.#failures.clear()
      this.#failures.set(id, {
        error: isUnknown ? undefined : failureOf(error),
        until: systemClock.monotonic() + (isUnknown ? UNKNOWN_MS : FAILED_MS),
      })
    } finally {
      this.#asking.delete(id)
    }
  }
}

/**
 * What a task is told: a schema that can never be used is a fault of the record; everything else, a refusal too, is not,
 * and may be put right while the task waits.
 */
function failureOf(error: unknown): AldebaranError {
  if (error instanceof AldebaranError && error.code.startsWith('SCHEMA_')) return error
  if (error instanceof AldebaranError && error.fate === 'retry') return error
  return new AldebaranError('REGISTRY_UNREACHABLE', `The schema registry: ${messageOf(error)}`, {}, error)
}

function pending(what: string): AldebaranError {
  return new AldebaranError('SCHEMA_PENDING', `${what} is being fetched from the schema registry`)
}
