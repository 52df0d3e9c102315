/**
 * The address of a PostgreSQL database: `postgres://user:password@host:port/database?sslmode=verify-full`.
 *
 * 1. Nothing that is said of an address, here or later, holds its password.
 * 2. `sslmode` means what it means to PostgreSQL's own programs. What only may encrypt (`allow`, `prefer`) is refused:
 *    it keeps nobody out, and nobody sees which it was.
 */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { AldebaranError } from '../../errors.ts'

export interface PostgresAddress {
  /** undefined: what PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE say, as everywhere. */
  readonly host: string | undefined
  readonly port: number | undefined
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string | undefined
  readonly ssl: ConnectionOptions | false
  /** For messages. */
  readonly label: string
}

const PARAMETERS = ['host', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey']
const MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const
type Mode = (typeof MODES)[number]

/** `option`: what the address is called where it was given. @throws AldebaranError OPTION_INVALID */
export function parsePostgresUrl(url: string, option = 'url'): PostgresAddress {
  const parsed = URL.parse(url)
  if (parsed === null || !/^postgres(?:ql)?:$/.test(parsed.protocol)) {
    throw invalid(option, 'is no address such as postgres://user:password@host:5432/database')
  }
  const { searchParams: given } = parsed
  const unknown = [...given.keys()].find(name => !PARAMETERS.includes(name))
  if (unknown !== undefined) throw invalid(option, `has the parameter '${unknown}', which is none of ${PARAMETERS}`)
  const text = (part: string): string | undefined => {
    if (part === '') return undefined
    try {
      return decodeURIComponent(part)
    } catch {
      throw invalid(option, 'has a % that begins no escape: write it as %25')
    }
  }
  // The folder of a socket cannot stand before the path.
  const host = given.get('host') ?? text(parsed.hostname.replace(/^\[(.*)\]$/, '$1'))
  const port = parsed.port === '' ? undefined : Number(parsed.port)
  const database = text(parsed.pathname.replace(/^\//, ''))
  return {
    host,
    port,
    user: text(parsed.username),
    password: text(parsed.password),
    database,
    ssl: encryption(given, host, option),
    label: `${host ?? 'localhost'}${port === undefined ? '' : `:${port}`}${database === undefined ? '' : `/${database}`}`,
  }
}

function encryption(given: URLSearchParams, host: string | undefined, option: string): ConnectionOptions | false {
  const mode = (given.get('sslmode') ?? 'disable') as Mode
  if (!MODES.includes(mode)) throw invalid(option, `has sslmode '${mode}', which is none of ${MODES.join(', ')}`)
  if (mode === 'disable') return false
  const file = (name: string): Buffer | undefined => {
    const path = given.get(name)
    if (path === null) return undefined
    try {
      return readFileSync(path)
    } catch (error) {
      throw invalid(option, `names a file with ${name} that cannot be read: ${(error as Error).message}`)
    }
  }
  const [ca, cert, key] = [file('sslrootcert'), file('sslcert'), file('sslkey')]
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    // As PostgreSQL has it: with an authority at hand, `require` asks for it too.
    rejectUnauthorized: mode !== 'require' || ca !== undefined,
    // `pg` leaves out an address, and a certificate for localhost would do for it.
    ...(host === undefined ? {} : { host }),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  }
}

function invalid(option: string, problem: string): AldebaranError {
  return new AldebaranError('OPTION_INVALID', `${option}: ${problem}`, { option })
}
