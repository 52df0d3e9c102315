/** One PostgreSQL server on a port of loopback, with a folder of its own: it can be stopped, killed and started again. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Client } from 'pg'
import { freePorts } from './free-ports.ts'
import { hold } from './leash.ts'
import type { Postgres } from './postgres-installation.ts'

const USER = 'tester'
const LOOK_EVERY_MS = 20
/** Quick, small, and on loopback alone. A crash of the machine is not tested. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  shared_buffers: '16MB',
  max_connections: '60',
  max_wal_size: '128MB',
}
/** Users that may be there and are not root, which PostgreSQL refuses to be. */
const SERVANTS = ['postgres', 'nobody']

/** Where it runs: on this machine, or in a container. */
interface Host {
  /** @returns what ends when the server has ended; its output goes to `log` */
  start(log: number): ChildProcess
  signal(child: ChildProcess, signal: NodeJS.Signals): void
  remove(): void
}

export interface PostgresOptions {
  /** Both PEM; it takes connections without TLS too. */
  tls?: KeyAndCertificate | null
}

interface KeyAndCertificate {
  key: string
  certificate: string
}

export class PostgresServer {
  /** Of the database `postgres`, as a superuser. */
  readonly url: string
  readonly #host: Host
  readonly #folder: string
  #child: ChildProcess | null = null

  private constructor(url: string, host: Host, folder: string) {
    this.url = url
    this.#host = host
    this.#folder = folder
  }

  static async start(postgres: Postgres, { tls = null }: PostgresOptions = {}): Promise<PostgresServer> {
    const [port] = await freePorts(1)
    const password = randomBytes(12).toString('hex')
    const folder = mkdtempSync(join(tmpdir(), 'aldebaran-postgres-'))
    hold({ folder })
    const host =
      postgres.image === null
        ? local(postgres.bin, folder, port!, password, tls)
        : container(postgres.image, port!, password, tls)
    const url = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`
    const server = new PostgresServer(url, host, folder)
    await server.start()
    return server
  }

  /** Resolves when it answers. @throws Error with its log when it ends instead */
  async start(): Promise<void> {
    if (this.#child !== null) throw new Error('PostgreSQL runs already')
    const log = join(this.#folder, 'server.log')
    const output = openSync(log, 'a')
    const child = this.#host.start(output)
    closeSync(output)
    this.#child = child
    while (!(await isReady(this.url))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        this.#child = null
        throw new Error(`PostgreSQL did not start: ${readFileSync(log, 'utf8').slice(-2000)}`)
      }
      await setTimeout(LOOK_EVERY_MS)
    }
    // A test process ends when its tests have: the server, which it then leaves, is not to keep it.
    child.unref()
  }

  /** Cuts all connections and ends in order. */
  stop(): Promise<void> {
    return this.#end('SIGINT')
  }

  /** As a crash of it: all its processes end where they are, and the next start recovers what was committed. */
  kill(): Promise<void> {
    return this.#end('SIGQUIT')
  }

  async end(): Promise<void> {
    await this.kill()
    this.#host.remove()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === null) return
    this.#child = null
    child.ref()
    const ended = once(child, 'exit')
    this.#host.signal(child, signal)
    await ended
  }
}

function local(bin: string, folder: string, port: number, password: string, tls: KeyAndCertificate | null): Host {
  const servant = process.getuid?.() === 0 ? servantIds() : null
  const data = join(folder, 'data')
  const secret = join(folder, 'password')
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(secret, password, { mode: 0o600 })
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  writeFileSync(key, tls?.key ?? '', { mode: 0o600 })
  writeFileSync(certificate, tls?.certificate ?? '', { mode: 0o600 })
  if (servant !== null) {
    chmodSync(folder, 0o711)
    for (const path of [data, secret, key, certificate]) chownSync(path, servant.uid, servant.gid)
  }
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', USER, '-A', 'scram-sha-256', `--pwfile=${secret}`, '-E', 'UTF8', '--locale=C', '--no-sync'],
    { cwd: data, encoding: 'utf8', ...(servant ?? {}) },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`)
  const settings = flags({ ...SETTINGS, port: String(port), ...(tls === null ? {} : tlsSettings(key, certificate)) })
  return {
    start(log) {
      const child = spawn(join(bin, 'postgres'), ['-D', data, ...settings], {
        cwd: data,
        stdio: ['ignore', log, log],
        ...(servant ?? {}),
      })
      const release = hold({ pid: child.pid! })
      child.once('exit', release)
      return child
    },
    signal: (child, signal) => void child.kill(signal),
    remove: () => {},
  }
}

function container(image: string, port: number, password: string, tls: KeyAndCertificate | null): Host {
  const name = `aldebaran-postgres-${randomBytes(6).toString('hex')}`
  const [key, certificate] = ['/tmp/key.pem', '/tmp/certificate.pem']
  const settings = flags({
    ...SETTINGS,
    listen_addresses: '*',
    ...(tls === null ? {} : tlsSettings(key, certificate)),
  })
  // The image's user must own the key.
  const script = `printf %s "$TLS_KEY" > ${key}; printf %s "$TLS_CERTIFICATE" > ${certificate}; chmod 600 ${key}
    chown postgres ${key} ${certificate}; exec docker-entrypoint.sh postgres "$@"`
  const environment = ['-e', `POSTGRES_USER=${USER}`, '-e', 'POSTGRES_PASSWORD', '-e', 'POSTGRES_DB=postgres']
  const variables = { POSTGRES_PASSWORD: password, TLS_KEY: tls?.key ?? '', TLS_CERTIFICATE: tls?.certificate ?? '' }
  const made = spawnSync(
    'docker',
    [
      ...[
        'create',
        '--name',
        name,
        '-p',
        `127.0.0.1:${port}:5432`,
        ...environment,
        '-e',
        'TLS_KEY',
        '-e',
        'TLS_CERTIFICATE',
      ],
      ...['--entrypoint', 'sh', image, '-c', script, 'sh', ...settings],
    ],
    { encoding: 'utf8', env: { ...process.env, ...variables } },
  )
  if (made.status !== 0) throw new Error(`docker create failed: ${made.error?.message ?? made.stderr}`)
  const removal = ['docker', 'rm', '--force', '--volumes', name]
  const release = hold({ command: removal })
  return {
    start: log => spawn('docker', ['start', '--attach', name], { stdio: ['ignore', log, log] }),
    signal: (_child, signal) => void spawnSync('docker', ['kill', `--signal=${signal}`, name]),
    remove() {
      spawnSync(removal[0]!, removal.slice(1))
      release()
    },
  }
}

function tlsSettings(key: string, certificate: string): Record<string, string> {
  return { ssl: 'on', ssl_key_file: key, ssl_cert_file: certificate }
}

function flags(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

function servantIds(): { uid: number; gid: number } {
  for (const name of SERVANTS) {
    const [uid, gid] = ['-u', '-g'].map(option => spawnSync('id', [option, name], { encoding: 'utf8' }).stdout.trim())
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error(`PostgreSQL does not run as root, and none of the users ${SERVANTS.join(', ')} is there`)
}

async function isReady(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
