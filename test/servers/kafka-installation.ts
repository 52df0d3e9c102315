/**
 * Where the tests' Kafka comes from: KAFKA_HOME, or Java with Kafka's jars from Maven repositories, or Docker with
 * Kafka's image. What is missing is installed where this user may.
 */
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { findOrInstallJava } from './java.ts'
import { mavenJars, mavenSettings } from './maven-jars.ts'
import { answers } from './platform-packages.ts'
import { ServerUnavailable } from './shared-server.ts'

export interface Kafka {
  /** Path of Java; in Docker's image, if there is one. */
  java: string
  javaVersion: string
  classpath: string
  /** Docker's image, or null when Java runs on this machine. */
  image: string | null
}

/** The streams groups are final in this version. kafka-pom.xml names the same. */
const OLDEST_HOME = [4, 2]
const IMAGE = 'apache/kafka:4.3.1'

export async function findOrInstallKafka(): Promise<Kafka> {
  const problem = await onThisMachine()
  if (typeof problem !== 'string') return problem
  if (answers('docker', 'info')) {
    return { java: 'java', javaVersion: IMAGE, classpath: '/opt/kafka/libs/*', image: IMAGE }
  }
  throw new ServerUnavailable(
    `Kafka is not to be had (${problem}; no Docker engine answers): ` +
      'install Java 17 or newer and let this machine reach a Maven repository, or set KAFKA_HOME, or start Docker',
  )
}

async function onThisMachine(): Promise<Kafka | string> {
  const home = process.env.KAFKA_HOME
  const homeProblem = home ? problemOf(home) : null
  if (homeProblem !== null) throw new ServerUnavailable(homeProblem)
  const java = findOrInstallJava()
  if (typeof java === 'string') return java
  const running = { java: java.path, javaVersion: java.version, image: null }
  if (home) return { ...running, classpath: join(home, 'libs', '*') }
  const beside = (file: string) => join(import.meta.dirname, file)
  const settings = mavenSettings(homedir(), process.env)
  const cache = join(cacheFolder(), 'jars')
  try {
    const jars = await mavenJars(beside('kafka-jars.txt'), beside('kafka-pom.xml'), cache, settings)
    return { ...running, classpath: jars.join(':') }
  } catch (error) {
    return (error as Error).message
  }
}

/** Why the tests cannot use the Kafka of this folder. */
function problemOf(home: string): string | null {
  const libraries = join(home, 'libs')
  const names = existsSync(libraries) ? readdirSync(libraries) : []
  const version = names.map(name => /^kafka-clients-(\d+)\.(\d+)\..*\.jar$/.exec(name)).find(match => match !== null)
  if (!version) return `KAFKA_HOME is ${home}, and no Kafka is there`
  const [major, minor] = [Number(version[1]), Number(version[2])]
  const old = major < OLDEST_HOME[0]! || (major === OLDEST_HOME[0] && minor < OLDEST_HOME[1]!)
  return old ? `KAFKA_HOME holds Kafka ${major}.${minor}, the tests need ${OLDEST_HOME.join('.')} or newer` : null
}

/** The user's folder for what can be fetched again; outside the repository, so that clones share it. */
export function cacheFolder(): string {
  const base =
    process.env.XDG_CACHE_HOME ||
    join(homedir(), ...(process.platform === 'darwin' ? ['Library', 'Caches'] : ['.cache']))
  return join(base, 'aldebaran-tests')
}
