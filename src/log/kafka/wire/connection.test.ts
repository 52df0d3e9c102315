import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { withCode } from '../../../../test/contract/log-data.ts'
import { AldebaranError } from '../../../errors.ts'
import { listGroups, saslAuthenticate, saslHandshake } from './admin-messages.ts'
import { Connection } from './connection.ts'
import { secret } from './security.ts'
import { answer, answerSasl, frame, type Script, SETTINGS, scriptedBroker } from './test/scripted-broker.ts'

function groups(...names: string[]) {
  return {
    throttleTimeMs: 0,
    errorCode: 0,
    groups: names.map(groupId => ({ groupId, protocolType: 'consumer', state: 'Stable' })),
  }
}

const EVERYTHING = { statesFilter: [] }

async function broker(t: TestContext, script: Script, greeting?: Uint8Array) {
  const started = await scriptedBroker(script, greeting)
  t.after(() => started.end())
  return started
}

async function failure(promise: Promise<unknown>): Promise<AldebaranError> {
  return promise.then(
    () => assert.fail('it did not fail'),
    error => error,
  )
}

describe('a connection', () => {
  it('takes answers in pieces of one byte', async t => {
    const { endpoint } = await broker(t, ({ correlation }, socket) => {
      socket.setNoDelay(true)
      const bytes = answer(listGroups, correlation, groups('one', 'zwölf'))
      const next = (at: number): void => {
        if (at < bytes.length) socket.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1))
      }
      next(0)
    })
    const connection = await Connection.open(endpoint, SETTINGS)
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await connection.request(listGroups, EVERYTHING), groups('one', 'zwölf'))
    }
    connection.close()
  })

  it('takes many answers in one piece, in order, cut anywhere', async t => {
    const COUNT = 5
    const whole: Buffer[] = []
    let cut = 0
    const { endpoint } = await broker(t, ({ correlation }, socket) => {
      whole.push(answer(listGroups, correlation, groups(`group ${whole.length}`)))
      if (whole.length < COUNT) return
      const bytes = Buffer.concat(whole.splice(0))
      socket.write(bytes.subarray(0, cut), () => setImmediate(() => socket.write(bytes.subarray(cut))))
    })
    const connection = await Connection.open(endpoint, SETTINGS)
    const length = COUNT * answer(listGroups, 0, groups('group 0')).length
    for (cut = 1; cut < length; cut++) {
      const asked = Array.from({ length: COUNT }, () => connection.request(listGroups, EVERYTHING))
      const names = (await Promise.all(asked)).map(({ groups }) => groups[0]!.groupId)
      assert.deepEqual(names, ['group 0', 'group 1', 'group 2', 'group 3', 'group 4'])
    }
    connection.close()
  })

  it('is closed when an answer is late, and the next one works', async t => {
    const asked: { correlation: number; socket: Socket }[] = []
    const { endpoint } = await broker(t, ({ correlation }, socket) => {
      asked.push({ correlation, socket })
      if (socket !== asked[0]!.socket) socket.write(answer(listGroups, correlation, groups('second')))
    })
    const first = await Connection.open(endpoint, SETTINGS)
    // The shorter time-out counts, also behind a longer one.
    const patient = failure(first.request(listGroups, EVERYTHING, 600_000))
    const error = await failure(first.request(listGroups, EVERYTHING, 20))
    assert.equal(error.code, 'KAFKA_UNREACHABLE')
    assert.match(error.message, /no answer in time/)
    assert.equal((await patient).code, 'KAFKA_UNREACHABLE')
    assert.ok(first.closed)
    assert.equal(first.underWay, 0)
    asked[0]!.socket.write(answer(listGroups, asked[0]!.correlation, groups('too late')))
    const second = await Connection.open(endpoint, SETTINGS)
    assert.deepEqual(await second.request(listGroups, EVERYTHING), groups('second'))
    await assert.rejects(first.request(listGroups, EVERYTHING), withCode('KAFKA_UNREACHABLE'))
    second.close()
  })

  it('takes an answer that came in time, also when this thread was too busy to see it', async t => {
    let sent = (): void => {}
    const { endpoint } = await broker(t, ({ correlation }, socket) => {
      socket.write(answer(listGroups, correlation, groups('there')), () => sent())
    })
    const connection = await Connection.open(endpoint, SETTINGS)
    const busy = new Promise<void>(resolve => {
      sent = () => {
        const until = performance.now() + 600
        while (performance.now() < until);
        resolve()
      }
    })
    assert.deepEqual(await connection.request(listGroups, EVERYTHING, 500), groups('there'))
    await busy
    connection.close()
  })

  const strange: [string, Script, RegExp][] = [
    ['a wrong correlation id', (r, socket) => socket.write(answer(listGroups, r.correlation + 1, groups())), /is due/],
    [
      'a frame that is too long',
      (_, socket) => socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff])),
      /2147483647 bytes/,
    ],
    ['a frame of negative length', (_, socket) => socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff])), /-1 bytes/],
    ['a frame without an id', (_, socket) => socket.write(Buffer.from([0, 0, 0, 3, 0, 0, 0])), /3 bytes/],
    ['an answer cut short', (r, socket) => socket.write(frame(r.correlation, Buffer.alloc(4))), /too early/],
    [
      'an array longer than the answer',
      (r, socket) =>
        socket.write(frame(r.correlation, Buffer.from([0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]))),
      /array is longer/,
    ],
  ]
  for (const [what, script, message] of strange) {
    it(`is closed by ${what}, and everything under way fails`, async t => {
      const { endpoint } = await broker(t, script)
      const connection = await Connection.open(endpoint, SETTINGS)
      const closed = new Promise<AldebaranError>(resolve => connection.onClose(resolve))
      const both = [1, 2].map(() => failure(connection.request(listGroups, EVERYTHING)))
      for (const error of [...(await Promise.all(both)), await closed]) {
        assert.equal(error.code, 'KAFKA_PROTOCOL')
        assert.match(error.message, message)
      }
    })
  }

  it('is closed by an error in the processing of an answer, and does not blame the broker', async t => {
    const waiting: Buffer[] = []
    const { endpoint } = await broker(t, ({ correlation }, socket) => {
      waiting.push(answer(listGroups, correlation, groups('one')))
      if (waiting.length === 3) socket.write(Buffer.concat(waiting.splice(0)))
    })
    const thrown = [new TypeError('a defect'), new AldebaranError('OPTION_INVALID', 'refused')]
    const codes = ['INTERNAL', 'OPTION_INVALID']
    for (const [index, error] of thrown.entries()) {
      const connection = await Connection.open(endpoint, SETTINGS)
      const closed = new Promise<AldebaranError>(resolve => connection.onClose(resolve))
      let calls = 0
      connection.send(listGroups, EVERYTHING, () => {
        calls++
        throw error
      })
      const behind = [1, 2].map(() => failure(connection.request(listGroups, EVERYTHING)))
      for (const told of [await closed, ...(await Promise.all(behind))]) {
        assert.equal(told.code, codes[index])
        assert.match(told.message, new RegExp(error.message))
      }
      assert.equal(calls, 1)
      assert.equal(connection.underWay, 0)
    }
  })

  it('fails what is under way when the broker closes in the middle of a frame', async t => {
    const { endpoint } = await broker(t, ({ correlation }, socket) => {
      socket.end(answer(listGroups, correlation, groups('one')).subarray(0, 13))
    })
    const connection = await Connection.open(endpoint, SETTINGS)
    await assert.rejects(connection.request(listGroups, EVERYTHING), withCode('KAFKA_UNREACHABLE'))
  })

  it('says so when something else than Kafka answers', async t => {
    const tls = await broker(t, () => {}, Buffer.from([0x15, 3, 3, 0, 2, 2, 80]))
    const http = await broker(t, () => {}, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const old = await broker(t, () => {}, frame(0, Buffer.from([0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 0])))
    const big = await broker(t, () => {}, Buffer.from([0, 0x20, 0, 0]))
    assert.match((await failure(Connection.open(tls.endpoint, SETTINGS))).message, /speaks TLS/)
    assert.match((await failure(Connection.open(http.endpoint, SETTINGS))).message, /speaks HTTP/)
    assert.equal((await failure(Connection.open(old.endpoint, SETTINGS))).code, 'KAFKA_UNSUPPORTED')
    assert.equal((await failure(Connection.open(big.endpoint, SETTINGS))).code, 'KAFKA_PROTOCOL')
  })

  it('tells that nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    server.close()
    await once(server, 'close')
    const error = await failure(Connection.open({ host: '127.0.0.1', port }, SETTINGS))
    assert.equal(error.code, 'KAFKA_UNREACHABLE')
    assert.match(error.message, /ECONNREFUSED/)
  })
})

describe('a session that ends', () => {
  const sasl = { mechanism: 'PLAIN', username: 'user', password: secret('password') } as const
  const settings = { ...SETTINGS, security: { tls: null, sasl } }

  it('is renewed in time; no other request is sent meanwhile, and all are answered in order', async t => {
    let logins = 0
    let renewed = (): void => {}
    let renewing = (): void => {}
    const isRenewing = new Promise<void>(resolve => {
      renewing = resolve
    })
    const isRenewed = new Promise<void>(resolve => {
      renewed = resolve
    })
    let released = (): void => {}
    const { endpoint, keys } = await broker(t, (request, socket) => {
      if (request.key === listGroups.key) {
        socket.write(answer(listGroups, request.correlation, groups(`${request.correlation}`)))
        return
      }
      const reply = () =>
        answerSasl(request, socket, message => {
          assert.equal(message, '\0user\0password')
          logins++
          if (logins === 2) renewed()
          return { sessionLifetimeMs: logins === 1 ? 1400 : 0 }
        })
      if (logins === 1 && request.key === saslHandshake.key) {
        released = reply
        renewing()
      } else reply()
    })
    const connection = await Connection.open(endpoint, settings)
    await isRenewing
    keys.length = 0
    const held = Array.from({ length: 3 }, () => connection.request(listGroups, EVERYTHING))
    assert.equal(connection.underWay, 4)
    released()
    await isRenewed
    const order = (await Promise.all(held)).map(({ groups }) => Number(groups[0]!.groupId))
    assert.deepEqual(order, [...order].sort())
    assert.deepEqual(keys, [saslAuthenticate.key, listGroups.key, listGroups.key, listGroups.key])
    connection.close()
  })

  it('closes the connection when it cannot be renewed, with what the broker said', async t => {
    let logins = 0
    const { endpoint } = await broker(t, (request, socket) => {
      answerSasl(request, socket, () =>
        ++logins === 1 ? { sessionLifetimeMs: 1200 } : { errorMessage: 'your password\nhas changed' },
      )
    })
    const connection = await Connection.open(endpoint, settings)
    const error = await new Promise<AldebaranError>(resolve => connection.onClose(resolve))
    assert.equal(error.code, 'KAFKA_AUTHENTICATION')
    assert.equal(error.message, 'PLAIN: your password has changed')
  })
})
