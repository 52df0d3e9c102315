import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { RegisteredVersion, SchemaDraft } from '../../connect/registry/client.ts'
import type { SchemaReference } from '../../connect/registry/read-schema.ts'
import { refusalOf } from '../../connect/registry/refusal.ts'
import { type SchemaRegistryClient, schemaRegistry } from '../../connect/registry/schema-registry.ts'
import { UsageError } from '../failure.ts'
import { wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { plain } from '../text-table.ts'

interface Common {
  registry?: string
}

interface DraftOptions extends Common {
  type: 'AVRO' | 'JSON'
  reference?: SchemaReference[]
}

type Version = number | 'latest'

interface Row {
  subject: string
  versions: number[]
  id: number | null
  type: string | null
}

export function define(command: Command, session: Session): void {
  const sub = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .option('--registry <url>', 'another registry than that of the process')
  const work = async <T>(options: Common, use: (client: SchemaRegistryClient) => Promise<T>): Promise<T> => {
    const client = connect(command, session, options)
    try {
      return await use(client)
    } finally {
      client.close()
    }
  }

  sub('ls', 'list the subjects')
    .option('--prefix <text>', 'only those whose name begins like this')
    .option('--deleted', 'those that are deleted softly too')
    .action((options: Common & { prefix?: string; deleted?: boolean }) =>
      work(options, client => list(client, session, options)),
    )
  sub('get', 'one schema: the latest of a subject, a version of it, or that of an id')
    .argument('[subject]')
    .option('--at <version>', 'which version, or latest', versionOf, 'latest')
    .option('--id <number>', 'the schema of this id, instead of a subject', wholeNumber)
    .action((subject: string | undefined, options: Common & { at: Version; id?: number }) =>
      work(options, client => show(client, session, subject, options)),
    )
  draftOptions(sub('register', 'register a schema'))
    .option('--normalize', 'keep it with full names and sorted keys')
    .action((subject: string, file: string | undefined, options: DraftOptions & { normalize?: boolean }) =>
      work(options, async client => {
        const draft = await draftOf(session, file, options)
        const id = await client.register(subject, draft, { normalize: options.normalize === true })
        if (session.out.json) session.out.value({ subject, id })
        else session.out.text(`${plain(subject)} has it with the id ${id}`)
      }),
    )
  draftOptions(sub('check', 'whether a schema may be registered; if not, why'))
    .option('--at <version>', 'compared with which version, or latest', versionOf, 'latest')
    .action((subject: string, file: string | undefined, options: DraftOptions & { at: Version }) =>
      work(options, async client => {
        const messages = await client.check(subject, options.at, await draftOf(session, file, options))
        if (messages.length > 0) session.exitCode = 1
        if (session.out.json) session.out.value({ subject, compatible: messages.length === 0, messages })
        else for (const line of messages.length === 0 ? ['compatible'] : messages) session.out.text(plain(line))
      }),
    )
  sub('delete', 'delete a subject or a version of it: softly, so that it can still be read')
    .argument('<subject>')
    .option('--at <version>', 'only this version, or latest', versionOf)
    .option('--permanent', 'for good: what was deleted softly before')
    .action((subject: string, options: Common & { at?: Version; permanent?: boolean }) =>
      work(options, async client => {
        const versions = await client.delete(subject, options.at ?? null, options.permanent === true)
        if (session.out.json) session.out.value({ subject, versions, permanent: options.permanent === true })
        else session.out.text(`deleted ${plain(subject)}, versions ${versions.join(', ')}`)
      }),
    )
}

function draftOptions(command: Command): Command {
  return command
    .argument('<subject>')
    .argument('[file]', 'the schema; default: standard input')
    .addOption(new Option('--type <type>', 'of the schema').choices(['AVRO', 'JSON']).default('AVRO'))
    .option('--reference <name=subject:version>', 'a schema that it refers to; again for more', referenceOf)
}

/** The registry of the running process, or another one: that is not told the token of the process. */
function connect(command: Command, session: Session, { registry }: Common): SchemaRegistryClient {
  if (registry !== undefined) return schemaRegistry({ url: registry, retries: 1 })
  const token = command.optsWithGlobals<{ token?: string }>().token ?? session.surroundings.env.ALDEBARAN_TOKEN
  const url = `${session.api.url}/registry`
  return schemaRegistry({ url, retries: 1, ...(token ? { auth: { token } } : {}) })
}

async function list(
  client: SchemaRegistryClient,
  { out }: Session,
  options: { prefix?: string; deleted?: boolean },
): Promise<void> {
  const rows: Row[] = []
  for (const subject of await client.subjects(options)) {
    const latest = await latestOf(client, subject)
    const versions = latest === null ? [] : await client.versions(subject)
    rows.push({
      subject,
      versions,
      id: latest?.id ?? null,
      type: latest === null ? null : (latest.schemaType ?? 'AVRO'),
    })
  }
  out.rows(
    [
      { header: 'SUBJECT', cell: row => row.subject },
      { header: 'VERSIONS', cell: row => row.versions.join(', ') || 'deleted', flexible: true },
      { header: 'ID', cell: row => row.id ?? '', right: true },
      { header: 'TYPE', cell: row => row.type ?? '' },
    ],
    rows,
    'There are no subjects.',
  )
}

/** Null: all its versions are deleted. */
async function latestOf(client: SchemaRegistryClient, subject: string): Promise<RegisteredVersion | null> {
  try {
    return await client.version(subject, 'latest')
  } catch (error) {
    if (refusalOf(error) === null) throw error
    return null
  }
}

async function show(
  client: SchemaRegistryClient,
  { out }: Session,
  subject: string | undefined,
  { at, id }: { at: Version; id?: number },
): Promise<void> {
  if ((subject === undefined) === (id === undefined)) throw new UsageError('say which: a subject, or --id')
  const found = id === undefined ? await client.version(subject!, at) : await client.schema(id)
  const { schema, ...rest } = found
  out.properties(found, { ...rest, schema })
}

async function draftOf(session: Session, file: string | undefined, options: DraftOptions): Promise<SchemaDraft> {
  const bytes = file === undefined ? await buffer(session.surroundings.stdin) : await readFile(file)
  return {
    schema: bytes.toString(),
    schemaType: options.type,
    ...(options.reference === undefined ? {} : { references: options.reference }),
  }
}

function versionOf(text: string): Version {
  return text === 'latest' ? text : wholeNumber(text)
}

function referenceOf(text: string, before: SchemaReference[] = []): SchemaReference[] {
  const [, name, subject, version] = /^([^=]+)=(.+):(\d{1,9})$/.exec(text) ?? []
  if (name === undefined || subject === undefined) throw new InvalidArgumentError('It is not name=subject:version.')
  return [...before, { name, subject, version: Number(version) }]
}
