/** Nodes in processes that are killed, stopped, started again and cut off. How long each was noticed after is printed. */
import assert from 'node:assert/strict'
import { afterEach, describe, it, type TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { PeerProcess } from './test/peer-process.ts'
import { startMesh, type TestMesh } from './test/test-mesh.ts'
import { Wire } from './test/wire.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function watcher(node = 'watcher'): Promise<TestMesh> {
  const started = await startMesh(node)
  ends.push(() => started.mesh.close())
  return started
}

async function child(node: string, port = 0): Promise<PeerProcess> {
  const started = await PeerProcess.start(node, port)
  ends.push(() => started.end())
  return started
}

async function wireTo(target: PeerProcess): Promise<Wire> {
  const wire = await Wire.start(target.endpoint)
  ends.push(() => wire.close())
  return wire
}

/** Does it, and prints how long it took until that was heard. */
async function noticed(t: TestContext, what: string, cause: () => void, heard: Promise<void>): Promise<void> {
  const start = performance.now()
  cause()
  await heard
  t.diagnostic(`${what}: ${(performance.now() - start).toFixed(1)} ms`)
}

describe('kill -9', () => {
  it('is noticed by every node, once', async t => {
    const watchers = [await watcher('a'), await watcher('b'), await watcher('c')]
    const victim = await child('victim')
    const endpoints = [...watchers, victim].map(({ endpoint }) => endpoint)
    for (const { mesh } of watchers) mesh.setPeers(endpoints)
    await Promise.all(watchers.map(({ heard }) => heard.until('alive victim')))
    const heard = Promise.all(watchers.map(one => one.heard.until('dead victim'))).then(() => {})
    await noticed(t, 'kill -9 noticed by all of 3', () => victim.signal('SIGKILL'), heard)
    // It is dialled on and on; that says nothing new.
    const [a] = watchers
    assert.match(a!.mesh.peers().find(({ node }) => node === 'victim')!.problem!, /ECONNREFUSED|closed|reset/i)
    a!.mesh.tell('still here')
    await watchers[1]!.heard.until('message "still here" of a')
    assert.deepEqual(
      watchers.map(one => one.heard.count('dead victim')),
      [1, 1, 1],
    )
  })

  it('and a start on the same port is another incarnation, that is found at once when it dials', async t => {
    const { mesh, heard, endpoint } = await watcher()
    const first = await child('node-1')
    mesh.setPeers([first.endpoint])
    await heard.until('alive node-1')
    await noticed(t, 'kill -9 noticed', () => first.signal('SIGKILL'), heard.until('dead node-1'))
    const second = await child('node-2', first.endpoint.port)
    second.send({ peers: [endpoint] })
    await heard.until('alive node-2')
    assert.deepEqual([heard.count('dead node-1'), heard.count('dead node-2')], [1, 0])
    assert.deepEqual(
      mesh.peers().map(({ node, state }) => [node, state]),
      [['node-2', 'alive']],
    )
  })

  it('of one that lived through a stop is a second death', async () => {
    const { mesh, heard } = await watcher()
    const victim = await child('victim')
    mesh.setPeers([victim.endpoint])
    await heard.until('alive victim')
    victim.signal('SIGSTOP')
    await heard.until('dead victim')
    victim.signal('SIGCONT')
    await heard.until('alive victim', 2)
    victim.signal('SIGKILL')
    await heard.until('dead victim', 2)
    assert.equal(heard.count('dead victim'), 2)
  })
})

describe('SIGSTOP', () => {
  it('is noticed as death, SIGCONT as life, and the node is told that it was buried', async t => {
    const { mesh, heard } = await watcher()
    const victim = await child('victim')
    mesh.setPeers([victim.endpoint])
    await heard.until('alive victim')
    await noticed(t, 'SIGSTOP noticed', () => victim.signal('SIGSTOP'), heard.until('dead victim'))
    mesh.tell({ buried: 'victim' })
    assert.equal(mesh.peers()[0]!.state, 'dead')
    await noticed(t, 'SIGCONT noticed', () => victim.signal('SIGCONT'), heard.until('alive victim', 2))
    await victim.heard.until('buried by watcher')
    assert.equal(mesh.peers()[0]!.state, 'alive')
  })

  it('of a node makes nobody else dead in its eyes', async () => {
    const { mesh, heard, endpoint } = await watcher()
    const victim = await child('victim')
    mesh.setPeers([victim.endpoint])
    victim.send({ peers: [endpoint] })
    await victim.heard.until('alive watcher')
    await heard.until('alive victim')
    victim.signal('SIGSTOP')
    await heard.until('dead victim')
    victim.signal('SIGCONT')
    await heard.until('alive victim', 2)
    // One that was silent for long was hung up on, and dials again: what it tells before that is lost.
    let told = 0
    while (heard.count(/^message "hello" of victim/) === 0) {
      victim.send({ tell: 'hello' })
      await setTimeout(20)
      assert.ok(told++ < 500, 'the victim is not heard')
    }
    assert.equal(victim.heard.count(/^dead/), 0)
  })
})

it('a node whose event loop is held up makes nobody else dead, nor suspect', async () => {
  const { heard, endpoint } = await watcher()
  const busy = await child('busy')
  busy.send({ peers: [endpoint] })
  await busy.heard.until('alive watcher')
  busy.send({ stallMs: 1500 })
  busy.send({ tell: 'hello' })
  await heard.until('message "hello" of busy')
  assert.deepEqual(busy.heard.lines.slice(1), ['alive watcher'])
})

it('a node that leaves is gone, not dead', async () => {
  const { mesh, heard } = await watcher()
  const leaver = await child('leaver')
  mesh.setPeers([leaver.endpoint])
  await heard.until('alive leaver')
  leaver.send('leave')
  await heard.until(`report another node is not reached: connect ECONNREFUSED 127.0.0.1:${leaver.endpoint.port}`)
  assert.deepEqual([mesh.peers()[0]!.state, heard.count('dead leaver')], ['gone', 0])
})

it('a cut wire is noticed as death, and its mending as life', async t => {
  const { mesh, heard } = await watcher()
  const remote = await child('remote')
  const wire = await wireTo(remote)
  mesh.setPeers([wire.endpoint])
  await heard.until('alive remote')
  await noticed(t, 'cut wire noticed', () => wire.hold(true), heard.until('dead remote'))
  await noticed(t, 'mended wire noticed', () => wire.hold(false), heard.until('alive remote', 2))
  assert.equal(heard.count('dead remote'), 1)
})

it('a connection that breaks alone kills nobody', async () => {
  const { mesh, heard } = await watcher()
  const remote = await child('remote')
  const wire = await wireTo(remote)
  mesh.setPeers([wire.endpoint])
  await heard.until('alive remote')
  for (const times of [2, 3, 4]) {
    // Closes what is open, and passes on what comes next.
    wire.hold(false)
    await heard.until('alive remote', times)
  }
  assert.equal(heard.count('dead remote'), 0)
})
