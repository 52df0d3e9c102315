/**
 * What all brokers of an installation start from, made once and kept in the user's cache: the first metadata (as Kafka's
 * `format` writes it: the newest feature levels, the user of the tests with SCRAM passwords), and an archive of
 * loaded classes, which halves the time of a start.
 *
 * It appears whole: made beside, then renamed. Another installation, or other contents, have another name.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from './free-ports.ts'
import { openHost } from './kafka-host.ts'
import { cacheFolder, type Kafka } from './kafka-installation.ts'
import { BrokerProcess, javaFlags } from './kafka-process.ts'
import { allListeners, brokerProperties, LOGGING, type Node, USER } from './kafka-properties.ts'
import { hold } from './leash.ts'

export const CHECKPOINT = 'bootstrap.checkpoint'
export const CLASSES = 'classes.jsa'

const REVISION = 1
const CLUSTER_ID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** @returns the folder that holds CHECKPOINT and, for a Java of this machine, CLASSES */
export async function prepareKafka(kafka: Kafka): Promise<string> {
  const identity = JSON.stringify([REVISION, kafka, USER])
  const prepared = join(cacheFolder(), `kafka-${createHash('sha256').update(identity).digest('hex').slice(0, 16)}`)
  if (existsSync(prepared)) return prepared
  mkdirSync(cacheFolder(), { recursive: true })
  const folder = mkdtempSync(`${prepared}-`)
  const release = hold({ folder })
  try {
    const result = join(folder, 'result')
    mkdirSync(result)
    await fill(kafka, folder, result)
    publish(result, prepared)
    return prepared
  } finally {
    rmSync(folder, { recursive: true, force: true })
    release()
  }
}

function publish(result: string, prepared: string): void {
  try {
    renameSync(result, prepared)
  } catch (error) {
    // Another process may have been quicker, with the same.
    if (!existsSync(prepared)) throw error
  }
}

async function fill(kafka: Kafka, folder: string, result: string): Promise<void> {
  const names = allListeners({})
  const numbers = await freePorts(names.length)
  const node: Node = { id: 0, folder, ports: Object.fromEntries(names.map((name, i) => [name, numbers[i]!])) }
  const classes = join(result, CLASSES)
  const properties = join(folder, 'server.properties')
  const logging = join(folder, 'log4j2.properties')
  const files = { folder, properties, logging, classes }
  const host = openHost(kafka, folder, numbers)
  try {
    writeFileSync(properties, propertiesText(brokerProperties(node, [node], host.bind, {})))
    writeFileSync(logging, LOGGING)
    format(kafka, folder, [...javaFlags(files), '-cp', kafka.classpath])
    cpSync(join(folder, 'data', CHECKPOINT), join(result, CHECKPOINT))
    if (kafka.image !== null) return
    const broker = new BrokerProcess(host, kafka.classpath, files, [`-XX:ArchiveClassesAtExit=${classes}`])
    await broker.start()
    await broker.stop()
  } finally {
    host.end()
  }
}

function format(kafka: Kafka, folder: string, java: string[]): void {
  const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap(mechanism => [
    '--add-scram',
    `${mechanism}=[name=${USER.name},password=${USER.password}]`,
  ])
  const config = ['--config', join(folder, 'server.properties')]
  const args = [...java, 'kafka.tools.StorageTool', 'format', '--cluster-id', CLUSTER_ID, ...config, ...users]
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`
  const inDocker = ['run', '--rm', '--user', user, '--volume', `${folder}:${folder}`, '--entrypoint', 'java']
  const { status, stdout, stderr } =
    kafka.image === null
      ? spawnSync(kafka.java, args, { encoding: 'utf8' })
      : spawnSync('docker', [...inDocker, kafka.image, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`Kafka's storage could not be formatted:\n${stdout}${stderr}`)
}

/** A Java properties file. */
export function propertiesText(properties: Record<string, string>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`)
    .join('')
}
