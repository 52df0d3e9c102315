// @ts-check
// node scripts/pin-kafka-jars.mjs: writes test/servers/kafka-jars.txt, the jars that test/servers/kafka-pom.xml means
// with their hashes, and test/kafka/java/tools-jars.txt, Kafka's command-line tools of the same version. Needs mvn. What is
// pinned there can be fetched from any Maven repository, without mvn.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, relative } from 'node:path'
import { ROOT, runMain, SetupError, say } from './prepare.mjs'

const POM = join(ROOT, 'test', 'servers', 'kafka-pom.xml')
const LIST = join(ROOT, 'test', 'servers', 'kafka-jars.txt')
const TOOLS_LIST = join(ROOT, 'test', 'kafka', 'java', 'tools-jars.txt')

await runMain(() => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-pin-'))
  try {
    // A repository that is empty before: the path below it is then the path in every Maven repository.
    const repository = join(folder, 'repository')
    const classpath = join(folder, 'classpath')
    maven(repository, 'dependency:build-classpath', `-Dmdep.outputFile=${classpath}`)
    const jars = readFileSync(classpath, 'utf8').trim().split(delimiter)
    const paths = jars.map(jar => jar.slice(repository.length + 1).replaceAll('\\', '/'))
    const version = paths.flatMap(path => /^org\/apache\/kafka\/kafka-clients\/([^/]+)\//.exec(path)?.[1] ?? [])[0]
    if (version === undefined) throw new SetupError('test/servers/kafka-pom.xml means no kafka-clients')
    // Everything else that the tools need is among the jars of the broker.
    maven(repository, 'dependency:get', `-Dartifact=org.apache.kafka:kafka-tools:${version}`, '-Dtransitive=false')
    const tools = `org/apache/kafka/kafka-tools/${version}/kafka-tools-${version}.jar`
    pin(LIST, repository, paths)
    pin(TOOLS_LIST, repository, [tools])
    return 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/**
 * @param {string} repository
 * @param {string[]} goal
 */
function maven(repository, ...goal) {
  const args = ['-q', '-B', '-f', POM, ...goal, `-Dmaven.repo.local=${repository}`]
  const { status } = spawnSync('mvn', args, { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new SetupError('mvn could not resolve test/servers/kafka-pom.xml (its message is above)')
}

/**
 * @param {string} list
 * @param {string} repository
 * @param {string[]} paths
 */
function pin(list, repository, paths) {
  const lines = paths.map(path => {
    const hash = createHash('sha256')
      .update(readFileSync(join(repository, path)))
      .digest('hex')
    return `${hash}  ${path}\n`
  })
  writeFileSync(list, lines.join(''))
  say(`${paths.length} jars written to ${relative(ROOT, list)}`)
}
