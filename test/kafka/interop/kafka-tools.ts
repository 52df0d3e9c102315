/** Kafka's command-line tools for tests: one process each. They lie in a jar that brokers do not need. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheFolder, findOrInstallKafka } from '../../servers/kafka-installation.ts'
import { hold } from '../../servers/leash.ts'
import { mavenJars, mavenSettings } from '../../servers/maven-jars.ts'

const LIST = join(import.meta.dirname, '..', 'java', 'tools-jars.txt')

/** Runs the tool of this class; @returns what it printed. Throws when it failed. */
export type RunTool = (name: string, ...args: string[]) => Promise<string>

/** @returns why there are none */
export async function findKafkaTools(): Promise<RunTool | string> {
  const kafka = await findOrInstallKafka()
  if (kafka.image !== null) return "Kafka runs in Docker: neither Java nor Kafka's jars are on this machine"
  // A whole installation has them.
  if (process.env.KAFKA_HOME) return (name, ...args) => runTool(kafka.java, kafka.classpath, name, args)
  const settings = mavenSettings(homedir(), process.env)
  try {
    const jars = await mavenJars(LIST, null, join(cacheFolder(), 'jars'), settings)
    const classpath = [kafka.classpath, ...jars].join(':')
    return (name, ...args) => runTool(kafka.java, classpath, name, args)
  } catch (error) {
    return (error as Error).message
  }
}

async function runTool(java: string, classpath: string, name: string, args: string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-tool-'))
  const flags = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData', '-Dlog4j2.level=OFF']
  const child = spawn(java, [...flags, `-Djava.io.tmpdir=${folder}`, '-cp', classpath, name, ...args])
  const releases = [hold({ folder }), child.pid === undefined ? () => {} : hold({ pid: child.pid })]
  let [printed, complained] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained += text
  })
  try {
    const code = await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject))
    if (code !== 0) throw new Error(`${name} ended with ${code}:\n${printed}${complained}`)
    return printed
  } finally {
    rmSync(folder, { recursive: true, force: true })
    for (const release of releases) release()
  }
}
