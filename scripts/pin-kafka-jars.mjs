// @ts-check
// node scripts/pin-kafka-jars.mjs: writes test/servers/kafka-jars.txt, the jars that test/servers/kafka-pom.xml means
// with their hashes. Needs mvn. What is pinned there can be fetched from any Maven repository, without mvn.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { ROOT, runMain, SetupError, say } from './prepare.mjs'

const POM = join(ROOT, 'test', 'servers', 'kafka-pom.xml')
const LIST = join(ROOT, 'test', 'servers', 'kafka-jars.txt')

await runMain(() => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-pin-'))
  try {
    // A repository that is empty before: the path below it is then the path in every Maven repository.
    const repository = join(folder, 'repository')
    const classpath = join(folder, 'classpath')
    const goal = ['dependency:build-classpath', `-Dmdep.outputFile=${classpath}`, `-Dmaven.repo.local=${repository}`]
    const { status } = spawnSync('mvn', ['-q', '-B', '-f', POM, ...goal], { stdio: ['ignore', 2, 2] })
    if (status !== 0) throw new SetupError('mvn could not resolve test/servers/kafka-pom.xml (its message is above)')
    const jars = readFileSync(classpath, 'utf8').trim().split(delimiter)
    const lines = jars.map(jar => {
      const hash = createHash('sha256').update(readFileSync(jar)).digest('hex')
      return `${hash}  ${jar.slice(repository.length + 1).replaceAll('\\', '/')}`
    })
    writeFileSync(LIST, `${lines.join('\n')}\n`)
    say(`${jars.length} jars written to test/servers/kafka-jars.txt`)
    return 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
