/**
 * Jars of a pinned list, from where Maven would take them: the user's local repository, a mirror that the settings name,
 * or Maven Central. mvn itself is only used when they cannot be fetched without it (behind a proxy, or with a password).
 *
 * 1. A jar whose hash is not the pinned one is never used.
 * 2. A jar appears in the cache whole: it is written beside and renamed.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

interface Pin {
  sha256: string
  /** Below the root of a repository. */
  path: string
}

export interface MavenSettings {
  /** The folder of what Maven fetched before. */
  localRepository: string
  /** The address of the one to fetch from. */
  repository: string
}

const CENTRAL = 'https://repo.maven.apache.org/maven2'
const AT_ONCE = 8
/** What Maven replaces in its settings. */
const USER_HOME = /\$\{user\.home\}/g

/**
 * @param list a file of lines `sha256  path`
 * @param pom what mvn would resolve to the same list; without it mvn is not used
 * @param cache the folder for what is fetched
 * @returns the paths of the jars
 * @throws Error with what could not be had
 */
export async function mavenJars(
  list: string,
  pom: string | null,
  cache: string,
  settings: MavenSettings,
): Promise<string[]> {
  const pins = readFileSync(list, 'utf8').trim().split('\n').map(parsePin)
  const folders = [settings.localRepository, cache]
  const missing = pins.filter(pin => locate(pin, folders) === null)
  if (missing.length > 0) {
    process.stderr.write(`aldebaran: fetching ${missing.length} jars from ${settings.repository}\n`)
    const problem = await fetchAll(missing, settings.repository, cache)
    if (problem !== null && (pom === null || !resolveWithMaven(pom))) throw new Error(problem)
  }
  return pins.map(pin => {
    const path = locate(pin, folders)
    if (path === null) throw new Error(`${pin.path} with the pinned hash is not to be had`)
    return path
  })
}

function parsePin(line: string): Pin {
  const [sha256 = '', path = ''] = line.split('  ')
  return { sha256, path }
}

function locate({ sha256, path }: Pin, folders: string[]): string | null {
  const candidates = folders.map(folder => join(folder, path))
  return candidates.find(file => existsSync(file) && hashOf(readFileSync(file)) === sha256) ?? null
}

function hashOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** @returns why not all of them are in the cache now */
async function fetchAll(pins: Pin[], repository: string, cache: string): Promise<string | null> {
  const pending = [...pins]
  const fetchNext = async () => {
    for (let pin = pending.pop(); pin !== undefined; pin = pending.pop()) await fetchJar(pin, repository, cache)
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, fetchNext))
    return null
  } catch (error) {
    const { cause, message } = error as Error
    return `${message}${cause instanceof Error ? ` (${cause.message})` : ''}`
  }
}

async function fetchJar({ path, sha256 }: Pin, repository: string, cache: string): Promise<void> {
  const url = `${repository}/${path}`
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  const content = new Uint8Array(await response.arrayBuffer())
  if (hashOf(content) !== sha256) throw new Error(`${url} is not the jar that is pinned`)
  const file = join(cache, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.${process.pid}`, content)
  renameSync(`${file}.${process.pid}`, file)
}

function resolveWithMaven(pom: string): boolean {
  return spawnSync('mvn', ['-q', '-B', '-f', pom, 'dependency:resolve'], { stdio: ['ignore', 2, 2] }).status === 0
}

/** What the settings of this user say; MAVEN_REPOSITORY_URL in the environment goes before their mirrors. */
export function mavenSettings(home: string, environment: NodeJS.ProcessEnv): MavenSettings {
  const file = join(home, '.m2', 'settings.xml')
  const text = existsSync(file) ? readFileSync(file, 'utf8').replaceAll(/<!--.*?-->/gs, '') : ''
  const element = (name: string, within: string) =>
    new RegExp(`<${name}>\\s*([^<]*?)\\s*</${name}>`).exec(within)?.[1]?.replaceAll(USER_HOME, home)
  const mirrors = text.match(/<mirror>.*?<\/mirror>/gs) ?? []
  const mirror = mirrors.find(one => mirrorsCentral(element('mirrorOf', one) ?? ''))
  const repository = environment.MAVEN_REPOSITORY_URL || (mirror && element('url', mirror)) || CENTRAL
  return {
    localRepository: element('localRepository', text) ?? join(home, '.m2', 'repository'),
    repository: repository.replace(/\/+$/, ''),
  }
}

function mirrorsCentral(mirrorOf: string): boolean {
  const names = mirrorOf.split(',').map(name => name.trim())
  return !names.includes('!central') && names.some(name => ['*', 'external:*', 'central'].includes(name))
}
