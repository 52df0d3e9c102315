/** How tests get their servers; that the servers are right is for tests that use them. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { needs } from '../../scripts/test-servers.mjs'
import { mavenJars, mavenSettings } from './maven-jars.ts'

test('a test file says by its name or its folder which server it needs', () => {
  for (const path of ['src/log/kafka/engine.kafka.test.ts', 'test/kafka/groups.test.ts']) {
    assert.equal(needs(path, 'kafka'), true, path)
  }
  assert.equal(needs('src/connect/postgres/pool.postgres.test.ts', 'postgres'), true)
  assert.equal(needs('src/connect/postgres/outbox.test.ts', 'postgres'), false)
  for (const path of [
    'src/log/kafka/codec.test.ts',
    'src/record/kafka-compatibility.test.ts',
    'test/e2e/kafka.test.ts',
  ]) {
    assert.equal(needs(path, 'kafka'), false, path)
  }
})

test('a process that another one held is ended when that one is killed', async () => {
  const script = `
    const { hold } = await import(${JSON.stringify(new URL('./leash.ts', import.meta.url))})
    const { spawn } = await import('node:child_process')
    // It keeps our output open: that is how the test hears of its end.
    const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], { stdio: ['ignore', 1, 'ignore'] })
    hold({ pid: child.pid })
    console.log('held')`
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: [...stdio] })
  const closed = once(holder, 'close')
  const [said] = await once(holder.stdout!, 'data')
  assert.equal(String(said), 'held\n')
  holder.kill('SIGKILL')
  await closed
  assert.equal(holder.signalCode, 'SIGKILL')
})

describe('jars of Maven', () => {
  const JAR = 'org/example/a/1/a-1.jar'

  test('come from the repository, once', async t => {
    const { asked, load } = await repositoryOf(t, 'content')
    const [jar] = await load('content')
    assert.equal(readFileSync(jar!, 'utf8'), 'content')
    assert.deepEqual(await load('content'), [jar])
    assert.deepEqual(asked, [`/repository/${JAR}`])
  })

  test('come from the local repository without asking anyone', async t => {
    const { asked, load, localRepository } = await repositoryOf(t, 'content')
    const file = join(localRepository, JAR)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, 'content')
    assert.deepEqual(await load('content'), [file])
    assert.deepEqual(asked, [])
  })

  test('are refused when they are not those that were pinned', async t => {
    const { load } = await repositoryOf(t, 'other content')
    await assert.rejects(load('content'), /a-1\.jar is not the jar that is pinned/)
  })

  /** A repository that answers with this, and a user who has nothing yet. */
  async function repositoryOf(t: TestContext, answer: string) {
    const asked: string[] = []
    const server = createServer((request, response) => {
      asked.push(request.url!)
      response.end(answer)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const folder = mkdtempSync(join(tmpdir(), 'aldebaran-maven-'))
    t.after(() => {
      server.close()
      server.closeAllConnections()
      rmSync(folder, { recursive: true })
    })
    const repository = `http://127.0.0.1:${(server.address() as AddressInfo).port}/repository`
    const localRepository = join(folder, 'local')
    const list = join(folder, 'list')
    const load = (content: string) => {
      writeFileSync(list, `${createHash('sha256').update(content).digest('hex')}  ${JAR}\n`)
      return mavenJars(list, null, join(folder, 'cache'), { localRepository, repository })
    }
    return { asked, load, localRepository }
  }
})

test("the user's Maven settings say where to fetch, and the environment before them", () => {
  const home = mkdtempSync(join(tmpdir(), 'aldebaran-home-'))
  try {
    const local = join(home, '.m2', 'repository')
    const central = 'https://repo.maven.apache.org/maven2'
    assert.deepEqual(mavenSettings(home, {}), { localRepository: local, repository: central })
    const mirror = (of: string, name: string) =>
      `<mirror><mirrorOf>${of}</mirrorOf>\n<url> https://${name}.example/ </url></mirror>`
    const mirrors = [mirror('other', 'a'), mirror('*,!central', 'b'), mirror('external:*', 'c'), mirror('central', 'd')]
    const text = `<!-- ${mirror('*', 'comment')} -->${mirrors.join('')}`
    mkdirSync(join(home, '.m2'))
    const file = join(home, '.m2', 'settings.xml')
    writeFileSync(file, `<settings>${text}</settings>`)
    assert.deepEqual(mavenSettings(home, {}), { localRepository: local, repository: 'https://c.example' })
    const environment = { MAVEN_REPOSITORY_URL: 'https://environment.example/maven/' }
    assert.equal(mavenSettings(home, environment).repository, 'https://environment.example/maven')
    writeFileSync(file, `<localRepository>\${user.home}/jars</localRepository>`)
    assert.equal(mavenSettings(home, {}).localRepository, join(home, 'jars'))
  } finally {
    rmSync(home, { recursive: true })
  }
})
