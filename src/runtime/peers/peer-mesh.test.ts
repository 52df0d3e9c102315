import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { makeCertificates } from '../../../test/servers/certificates.ts'
import { AldebaranError } from '../../errors.ts'
import { VirtualClock } from '../../time/clock.ts'
import { encodeFrame, type Frame, FrameReader, LARGEST_FRAME, PROTOCOL } from './frames.ts'
import { type MeshSettings, PeerMesh } from './peer-mesh.ts'
import { newChallenge, prove } from './proof.ts'
import { startMesh, type TestMesh } from './test/test-mesh.ts'
import { Wire } from './test/wire.ts'

const SECRET = 'a secret of some length'
const started: TestMesh[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ mesh }) => mesh.close()))
})

/** Nobody is suspect here because the machine is slow. */
async function start(node: string, settings: Partial<MeshSettings> = {}): Promise<TestMesh> {
  const mesh = await startMesh(node, { deadMs: 60_000, ...settings })
  started.push(mesh)
  return mesh
}

/** Nodes that know each other. */
async function together(nodes: string[], settings: Partial<MeshSettings> = {}): Promise<TestMesh[]> {
  const meshes = await Promise.all(nodes.map(node => start(node, settings)))
  for (const { mesh } of meshes) mesh.setPeers(meshes.map(({ endpoint }) => endpoint))
  for (const { heard, info } of meshes) {
    for (const node of nodes) if (node !== info.node) await heard.until(`alive ${node}`)
  }
  return meshes
}

function withCode(code: string, message = /./) {
  return (error: unknown): boolean =>
    error instanceof AldebaranError && error.code === code && message.test(error.message)
}

describe('nodes that know each other', () => {
  it('twenty of them all see each other, once', async () => {
    const nodes = Array.from({ length: 20 }, (_, i) => `node-${i}`)
    const meshes = await together(nodes)
    for (const { mesh, heard, info } of meshes) {
      const views = mesh.peers()
      assert.deepEqual(views.map(({ node }) => node).sort(), nodes.filter(node => node !== info.node).sort())
      assert.ok(views.every(({ state, problem }) => state === 'alive' && problem === null))
      assert.equal(heard.lines.length, 19)
    }
  })

  it('are told what changed of one of them', async () => {
    const [a, b] = await together(['a', 'b'])
    b!.info.api = 'http://127.0.0.1:1'
    b!.info.members = [{ group: 'g', memberId: 'm' }]
    b!.mesh.changed()
    await a!.heard.until('alive b', 2)
    assert.deepEqual(a!.mesh.peers()[0]!.info, b!.info)
  })

  it('keep their connections when the same list is set again, and forget who is not on it', async () => {
    const [a, b, c] = await together(['a', 'b', 'c'])
    a!.mesh.setPeers([{ ...b!.endpoint }, { ...c!.endpoint }])
    a!.mesh.setPeers([b!.endpoint])
    assert.deepEqual(
      a!.mesh.peers().map(({ node }) => node),
      ['b'],
    )
    assert.equal((await a!.mesh.ask('b', 1, 60_000)) !== undefined, true)
    await assert.rejects(a!.mesh.ask('c', 1, 60_000), withCode('BUSY', /not known/))
    assert.equal(a!.heard.count('alive b'), 1)
    assert.equal(c!.heard.lines.includes('dead a'), false)
  })

  it('are gone, not dead, when they say goodbye', async () => {
    const [a, b] = await together(['a', 'b'])
    const ask = a!.mesh.ask('b', 'forever', 60_000)
    await ask
    await b!.mesh.close()
    await a!.heard.until('report another node is not reached: connect ECONNREFUSED '.concat(at(b!)))
    assert.equal(a!.mesh.peers()[0]!.state, 'gone')
    assert.equal(a!.heard.count('dead b'), 0)
  })

  it('that take the place of another are its death', async () => {
    const [a, first, second] = await Promise.all(['a', 'b-1', 'b-2'].map(node => start(node)))
    const wire = await Wire.start(first!.endpoint)
    try {
      a!.mesh.setPeers([wire.endpoint])
      await a!.heard.until('alive b-1')
      wire.target = second!.endpoint
      wire.hold(false)
      await a!.heard.until('alive b-2')
      assert.deepEqual(
        a!.heard.lines.filter(line => /^(?:alive|dead) /.test(line)),
        ['alive b-1', 'dead b-1', 'alive b-2'],
      )
      await assert.rejects(a!.mesh.ask('b-1', 1, 60_000), withCode('BUSY', /not known/))
    } finally {
      await wire.close()
    }
  })

  it('are dialled at once when they dial, however long they were not there', async () => {
    const early = await startMesh('b')
    const { port } = early.endpoint
    await early.mesh.close()
    // No time passes, so no wait ends.
    const a = await start('a', { clock: new VirtualClock() })
    a.mesh.setPeers([early.endpoint])
    await a.heard.until(`report another node is not reached: connect ECONNREFUSED ${at(early)}`)
    const late = await start('b', { port })
    late.mesh.setPeers([a.endpoint])
    await a.heard.until('alive b')
    assert.equal(a.mesh.peers()[0]!.state, 'alive')
  })

  it('are not alone with one that turns out to be themselves', async () => {
    const a = await start('a')
    a.mesh.setPeers([{ host: 'localhost', port: a.endpoint.port }])
    await a.heard.until('report another node is not reached: it is this node itself')
    assert.deepEqual(a.mesh.peers()[0]!.node, null)
  })

  it('speak TLS when told to, and only with whom they trust', async () => {
    const { authority, server } = makeCertificates()
    const own = { server: { key: server.key, cert: server.certificate } }
    const tls = { ...own, client: { ca: authority } }
    const [a] = await together(['a', 'b'], { tls, secret: SECRET })
    assert.deepEqual(await a!.mesh.ask('b', 1n, 60_000), { by: 'b', question: 1n })
    const stranger = await start('c', { tls: { ...own, client: { ca: makeCertificates().authority } }, secret: SECRET })
    stranger.mesh.setPeers([a!.endpoint])
    await stranger.heard.until(/^report another node is not reached: .*certificate/)
    assert.equal(stranger.heard.count('alive a'), 0)
    // One that does not even speak TLS keeps nobody from closing.
    await once(connect(a!.endpoint), 'connect')
  })
})

function at({ endpoint }: TestMesh): string {
  return `${endpoint.host}:${endpoint.port}`
}

describe('questions', () => {
  it('are answered by the node that is asked, by its name or its endpoint', async () => {
    const [a, b] = await together(['a', 'b', 'c'])
    const question = { key: new Uint8Array([1, 2]), big: 2n ** 70n, none: null }
    assert.deepEqual(await a!.mesh.ask('b', question, 60_000), { by: 'b', question })
    assert.deepEqual(await a!.mesh.ask(b!.endpoint, undefined, 60_000), { by: 'b', question: undefined })
    assert.deepEqual(await b!.mesh.ask('c', [], 60_000), { by: 'c', question: [] })
  })

  it('that fail there fail here alike', async () => {
    const [a] = await together(['a', 'b'], {
      answer: async question => {
        if (question === 'ours') throw new AldebaranError('WORKER_DIED', 'it died', { partition: 3 })
        if (question === 'large') return new Uint8Array(LARGEST_FRAME)
        if (question === 'odd') return () => {}
        throw new TypeError('a defect')
      },
    })
    await assert.rejects(a!.mesh.ask('b', 'ours', 60_000), (error: AldebaranError) => {
      assert.deepEqual([error.code, error.message, error.details], ['WORKER_DIED', 'it died', { partition: 3 }])
      return true
    })
    await assert.rejects(a!.mesh.ask('b', 'theirs', 60_000), withCode('INTERNAL', /a defect/))
    await assert.rejects(a!.mesh.ask('b', 'large', 60_000), withCode('BODY_TOO_LARGE', /fewer rows/))
    await assert.rejects(a!.mesh.ask('b', new Uint8Array(LARGEST_FRAME), 60_000), withCode('BODY_TOO_LARGE'))
    await assert.rejects(a!.mesh.ask('b', 'odd', 60_000), withCode('INTERNAL', /could not be cloned/))
    assert.equal(a!.mesh.peers()[0]!.state, 'alive')
  })

  it('fail in time, and when the node is lost, and when it was never there', async () => {
    const asked = Promise.withResolvers<void>()
    const [a, b] = await together(['a', 'b'], {
      answer: () => {
        asked.resolve()
        return new Promise(() => {})
      },
    })
    await assert.rejects(a!.mesh.ask('b', 1, 1), withCode('BUSY', /did not answer in 1 ms/))
    await asked.promise
    const lost = assert.rejects(a!.mesh.ask('b', 1, 600_000), withCode('BUSY', /it left/))
    await b!.mesh.close()
    await lost
    await assert.rejects(a!.mesh.ask('b', 1, 60_000), withCode('BUSY', /not reached/))
    await assert.rejects(a!.mesh.ask({ host: '127.0.0.1', port: 1 }, 1, 60_000), withCode('BUSY', /not known/))
  })
})

describe('messages', () => {
  it('reach all others, with the name of who told them', async () => {
    const [a, b, c] = await together(['a', 'b', 'c'])
    a!.mesh.tell({ hurry: 1 })
    await b!.heard.until('message {"hurry":1} of a')
    await c!.heard.until('message {"hurry":1} of a')
    assert.deepEqual(
      a!.heard.lines.filter(line => line.startsWith('message')),
      [],
    )
  })

  it('that a node was buried are told apart by that node', async () => {
    const [a, b, c] = await together(['a', 'b', 'c'])
    a!.mesh.tell({ buried: 'c' })
    await c!.heard.until('buried by a')
    await b!.heard.until('message {"buried":"c"} of a')
    assert.equal(c!.heard.count('message {"buried":"c"} of a'), 0)
  })

  it('that a node was buried reach it when it is seen again, once', async () => {
    const [a, b] = await together(['a', 'b'])
    a!.mesh.setPeers([])
    a!.mesh.tell({ buried: 'b' })
    for (const times of [2, 3]) {
      a!.mesh.setPeers([b!.endpoint])
      await a!.heard.until('alive b', times)
      a!.mesh.tell(times)
      await b!.heard.until(`message ${times} of a`)
      assert.equal(b!.heard.count('buried by a'), 1)
      a!.mesh.setPeers([])
    }
  })
})

describe('a secret', () => {
  it('is needed where others can come', () => {
    const settings = { info: () => ({}) as never, answer: async () => 1, onDead: () => {} }
    const open = { ...settings, host: '0.0.0.0', advertised: { host: '10.0.0.1' } }
    assert.throws(() => new PeerMesh({ ...open, secret: null }), withCode('CREDENTIALS_NEEDED'))
    assert.throws(() => new PeerMesh({ ...open, secret: '' }), withCode('CREDENTIALS_NEEDED'))
    assert.throws(() => new PeerMesh({ ...open, secret: 'short' }), withCode('OPTION_INVALID', /16/))
    assert.throws(() => new PeerMesh({ ...settings, host: '0.0.0.0', secret: SECRET }), withCode('OPTION_INVALID'))
    assert.ok(new PeerMesh({ ...open, secret: SECRET }))
  })

  it('that differs, or is there on one side only, keeps nodes apart', async () => {
    const a = await start('a', { secret: SECRET })
    for (const secret of [`${SECRET}!`, null]) {
      const b = await start('b', { secret })
      b.mesh.setPeers([a.endpoint])
      await b.heard.until('report another node is not reached: the secrets differ')
      a.mesh.setPeers([b.endpoint])
      await a.heard.until('report another node is not reached: the secrets differ', secret === null ? 2 : 1)
      assert.deepEqual([a.mesh.peers()[0]!.state, b.mesh.peers()[0]!.state], ['connecting', 'connecting'])
      assert.deepEqual([a.mesh.peers()[0]!.info, b.mesh.peers()[0]!.info], [null, null])
    }
  })

  it('is never sent', async () => {
    const [a, b] = await Promise.all(['a', 'b'].map(node => start(node, { secret: SECRET })))
    const wire = await Wire.start(b!.endpoint)
    try {
      a!.mesh.setPeers([wire.endpoint])
      await a!.heard.until('alive b')
      await a!.mesh.ask('b', 1, 60_000)
      assert.match(wire.passed, /"hello".*"challenge".*"proof".*"welcome".*"ask".*"answer"/s)
      assert.ok(!wire.passed.includes(SECRET))
    } finally {
      await wire.close()
    }
  })

  it('is not proved by what the other side sent', async () => {
    const { socket, next } = await dial(await start('a', { secret: SECRET }))
    socket.write(encodeFrame({ kind: 'hello', protocol: PROTOCOL, challenge: newChallenge() }))
    const challenge = await next()
    const proof = challenge.kind === 'challenge' ? challenge.proof : ''
    socket.write(encodeFrame({ kind: 'proof', proof, node: 'b', endpoint: { host: 'localhost', port: 1 } }))
    assert.deepEqual(await next(), { kind: 'refused', reason: 'the secrets differ' })
    await once(socket, 'close')
  })
})

/** A stranger's connection to a node, and the frames that come. */
async function dial({ endpoint }: TestMesh): Promise<{ socket: Socket; frames: Frame[]; next: () => Promise<Frame> }> {
  const socket = connect(endpoint)
  const frames: Frame[] = []
  const reader = new FrameReader()
  let taken = 0
  let more = Promise.withResolvers<void>()
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    reader.take(bytes, frame => {
      frames.push(frame)
      return null
    })
    more.resolve()
    more = Promise.withResolvers()
  })
  await once(socket, 'connect')
  const next = async (): Promise<Frame> => {
    while (frames.length === taken) await more.promise
    return frames[taken++]!
  }
  return { socket, frames, next }
}

describe('a stranger', () => {
  const garbage: [string, Buffer, RegExp][] = [
    ['speaks HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /longer than/],
    ['sends zeros', Buffer.alloc(100), /header of 0 bytes/],
    ['sends JSON of its own', Buffer.from('\0\0\0\x06\0\0\0\x02{}'), /none of ours/],
    ['asks before it says hello', encodeFrame({ kind: 'ask', id: 1 }), /ask before the hello/],
    ['is of another version', encodeFrame({ kind: 'hello', protocol: 99, challenge: newChallenge() }), /protocol 99/],
    ['has a challenge that is none', encodeFrame({ kind: 'hello', protocol: 1, challenge: 'x' }), /challenge/],
  ]
  for (const [what, bytes, reason] of garbage) {
    it(`that ${what} is told why it is sent away, and harms nobody`, async () => {
      const [a] = await together(['a', 'b'])
      const { socket, next } = await dial(a!)
      socket.write(bytes)
      const frame = await next()
      assert.match(frame.kind === 'refused' ? frame.reason : frame.kind, reason)
      await once(socket, 'close')
      assert.deepEqual(await a!.mesh.ask('b', 1, 60_000), { by: 'b', question: 1 })
    })
  }

  it('that needs no secret, and sends what cannot be read, hears that, and is sent away', async () => {
    const { socket, next } = await dial(await start('a'))
    const dialler = newChallenge()
    socket.write(encodeFrame({ kind: 'hello', protocol: PROTOCOL, challenge: dialler }))
    const challenge = await next()
    const listener = challenge.kind === 'challenge' ? challenge.challenge : ''
    const proof = prove('', 'dialler', { dialler, listener })
    socket.write(encodeFrame({ kind: 'proof', proof, node: 'b', endpoint: { host: 'localhost', port: 1 } }))
    assert.equal((await next()).kind, 'welcome')
    for (const bytes of [Buffer.alloc(0), Buffer.from('garbage'), Buffer.from([0xff, 0x0f, 0x41, 0xff, 0xff, 0x7f])]) {
      socket.write(encodeFrame({ kind: 'ask', id: bytes.length }, bytes))
      const problem = await next()
      assert.deepEqual([problem.kind, problem.kind === 'problem' && problem.id], ['problem', bytes.length])
    }
    socket.write(encodeFrame({ kind: 'tell' }, Buffer.from('garbage')))
    const refused = await next()
    assert.match(refused.kind === 'refused' ? refused.reason : refused.kind, /cannot be read/)
    await once(socket, 'close')
  })

  it('that says nothing is sent away when its time is up', async () => {
    const clock = new VirtualClock()
    const a = await start('a', { clock, pingMs: 4, deadMs: 16 })
    const { next } = await dial(a)
    // Steps that are no stall.
    const timer = setInterval(() => clock.advance(1), 1)
    const frame = await next()
    clearInterval(timer)
    assert.match(frame.kind === 'refused' ? frame.reason : frame.kind, /nothing came for 1000 ms/)
    assert.ok(clock.now() >= 1000)
  })
})

it('no time of the clock that passed at one go makes a peer suspect', async () => {
  const clock = new VirtualClock()
  const [a] = await together(['a', 'b'], { clock, deadMs: 400 })
  for (let i = 0; i < 5; i++) {
    clock.advance(60_000)
    await a!.mesh.ask('b', i, 600_000)
  }
  assert.deepEqual([a!.mesh.peers()[0]!.state, a!.heard.lines], ['alive', ['alive b']])
})

it('a port that is taken is told of', async () => {
  const a = await start('a')
  await assert.rejects(startMesh('b', { port: a.endpoint.port }), withCode('OPTION_INVALID', /EADDRINUSE/))
})
