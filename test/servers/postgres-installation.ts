/** Where the tests' PostgreSQL comes from: found on this machine, or installed by its packages, or Docker's image. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { answers, installPackage } from './platform-packages.ts'
import { ServerUnavailable } from './shared-server.ts'

export interface Postgres {
  /** Folder of the programs; empty with an image. */
  bin: string
  /** Docker's image, or null when it runs on this machine. */
  image: string | null
}

const OLDEST = 12
const IMAGE = 'postgres:17-alpine'

export function findOrInstallPostgres(): Postgres {
  const found = findPostgres()
  if (found !== null) return { bin: found, image: null }
  const problem = installPackage({
    'apt-get': ['postgresql', 'postgresql-17', 'postgresql-15'],
    dnf: ['postgresql-server'],
    apk: ['postgresql17', 'postgresql16', 'postgresql15'],
    brew: ['postgresql@17', 'postgresql@16'],
  })
  const bin = problem === null ? findPostgres() : null
  if (bin !== null) return { bin, image: null }
  if (answers('docker', 'info')) return { bin: '', image: IMAGE }
  throw new ServerUnavailable(
    `PostgreSQL is not to be had (${problem ?? `what was installed is not found, or is older than ${OLDEST}`}; ` +
      `no Docker engine answers): install PostgreSQL ${OLDEST} or newer, or set POSTGRES_HOME, or start Docker`,
  )
}

function findPostgres(): string | null {
  const home = process.env.POSTGRES_HOME
  if (home) {
    const bin = join(home, 'bin')
    if (isUsable(bin)) return bin
    throw new ServerUnavailable(`POSTGRES_HOME is ${home}, and no PostgreSQL ${OLDEST} or newer is there`)
  }
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap(folder => {
    const program = join(folder, 'postgres')
    // What lies beside the program is found where it really is.
    return existsSync(program) ? [dirname(realpathSync(program))] : []
  })
  const versions = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt', '/usr/libexec'].flatMap(folder =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter(name => /^(?:\d+|postgresql@?\d*)$/.test(name))
          .sort((a, b) => numberIn(b) - numberIn(a))
          .map(name => join(folder, name, 'bin'))
      : [],
  )
  return [...onPath, ...versions, '/usr/pgsql/bin', '/usr/local/pgsql/bin'].find(isUsable) ?? null
}

function isUsable(bin: string): boolean {
  if (!existsSync(join(bin, 'initdb'))) return false
  const { status, stdout } = spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' })
  return status === 0 && numberIn(stdout) >= OLDEST
}

function numberIn(text: string): number {
  return Number(/\d+/.exec(text)?.[0] ?? 0)
}
