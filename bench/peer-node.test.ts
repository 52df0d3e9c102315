import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ownEnvironment, PeerNode, settingIn } from './peer-node.ts'

/** A program for a node: JavaScript, which may use `process` and `require`. */
function nodeOf(t: TestContext, program: string, onDeath: (error: Error) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-test-'))
  const file = join(folder, 'program.cjs')
  writeFileSync(file, program)
  const command = `"${process.execPath}" "${file}" "$AUDIT_RUN"`
  const node = new PeerNode('node-0', { command, folder, environment: { AUDIT_RUN: 'one run' } }, onDeath)
  t.after(async () => {
    await node.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  return { node, folder }
}

/** Keeps the process until it is killed. */
const STAYS = 'setInterval(() => {}, 1000)'

test('settings that matter are found in what a client logs, and no others', () => {
  assert.deepEqual(settingIn('\tsession.timeout.ms = 45000'), ['session.timeout.ms', '45000'])
  assert.deepEqual(settingIn('\tgroup.protocol = classic '), ['group.protocol', 'classic'])
  assert.equal(settingIn('\tsession.timeout.ms = 45000 and more'), null)
  assert.equal(settingIn('\tclient.id = consumer-1'), null)
  assert.equal(settingIn('12:00:01 INFO num.standby.replicas = 1'), null)
})

test('a process is told of its folder, and what the caller set for Java and the log stays', () => {
  assert.deepEqual(ownEnvironment('/a/node-0', {}), {
    AUDIT_FOLDER: '/a/node-0',
    TMPDIR: '/a/node-0',
    AUDIT_JAVA_ARGS: '-Djava.io.tmpdir=/a/node-0',
    AUDIT_LOG: 'INFO',
  })
  const { AUDIT_JAVA_ARGS, AUDIT_LOG } = ownEnvironment('/b', { AUDIT_JAVA_ARGS: '-Xint -Xss1m', AUDIT_LOG: 'WARN' })
  assert.deepEqual([AUDIT_JAVA_ARGS, AUDIT_LOG], ['-Xint -Xss1m -Djava.io.tmpdir=/b', 'WARN'])
})

test('a node is ready when it says so, and its log has what it writes but its progress', async t => {
  const deaths: Error[] = []
  const program = `
    process.stdout.write('INFO\\n\\tsession.timeout.ms = 45000\\nprogress 1 2 3\\n' + process.argv[2] + '\\nready\\n')
    ${STAYS}`
  const { node, folder } = nodeOf(t, program, error => deaths.push(error))
  node.start()
  await node.ready
  assert.equal(readFileSync(join(folder, 'node-0-1.log'), 'utf8'), 'INFO\n\tsession.timeout.ms = 45000\none run\n')
  assert.deepEqual([...node.seen], [['session.timeout.ms', '45000']])
  await node.kill()
  assert.deepEqual(deaths, [])
})

test('a kill ends what the node started too; it starts again with its folder', async t => {
  const server = createServer()
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const grandchild = `require('node:net').connect(${port}, '127.0.0.1'); ${STAYS}`
  const program = `
    require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], { stdio: 'inherit' })
    require('node:fs').appendFileSync(process.env.AUDIT_FOLDER + '/starts', 'x')
    process.stdout.write('ready\\n')
    ${STAYS}`
  const { node, folder } = nodeOf(t, program, () => assert.fail('it did not end by itself'))
  for (const starts of ['x', 'xx']) {
    const connected = once(server, 'connection')
    node.start()
    await node.ready
    const [socket] = (await connected) as [Socket]
    const gone = new Promise(resolve =>
      socket
        .on('error', () => {})
        .on('close', resolve)
        .resume(),
    )
    await node.kill()
    await gone
    assert.equal(readFileSync(join(folder, 'node-0', 'starts'), 'utf8'), starts)
  }
})

test('a node that ends by itself is told with the end of its log, and is not ready', async t => {
  const died = Promise.withResolvers<Error>()
  const { node, folder } = nodeOf(t, `console.error('no such broker'); process.exit(3)`, died.resolve)
  node.start()
  await assert.rejects(node.ready, /node-0 ended by itself: 3\nno such broker$/)
  assert.match((await died.promise).message, /no such broker/)
  await node.kill()
  assert.ok(existsSync(join(folder, 'node-0-1.log')))
})
