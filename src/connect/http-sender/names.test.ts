/** Hosts that are looked up, and servers of names that lie. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AddressRules } from './addresses.ts'
import { HttpSender } from './http-sender.ts'
import { deliveryErrorOf } from './outcome.ts'
import type { PostOutcome } from './post.ts'
import { NameServer } from './test/name-server.ts'
import { answer, RawReceiver } from './test/raw-receiver.ts'

/** 127.0.0.1 stands for what may be reached, 127.0.0.2 for what may not. */
const ONE: AddressRules = { http: true, ports: 'any', allow: ['127.0.0.1'] }

const fate = (outcome: PostOutcome) => deliveryErrorOf(outcome, Date.now())?.fate ?? 'delivered'
const post = (sender: HttpSender, host: string, port: number) =>
  sender.post({ url: `http://${host}:${port}/`, headers: [], body: 'b', timeout: 20_000 })

/** A receiver that may be reached, and a victim that may not, on one port. */
async function pair(...headers: string[]): Promise<{ receiver: RawReceiver; victim: RawReceiver }> {
  for (;;) {
    const receiver = await RawReceiver.start(socket => socket.write(answer(200, '', ...headers)))
    try {
      const other = { host: '127.0.0.2', port: receiver.port }
      return { receiver, victim: await RawReceiver.start(socket => socket.write(answer(200)), other) }
    } catch {
      // Somebody has that port of the other address: another one, then.
      await receiver[Symbol.asyncDispose]()
    }
  }
}

async function withSender(
  addresses: AddressRules,
  names: NameServer,
  work: (sender: HttpSender) => Promise<void>,
): Promise<void> {
  const sender = new HttpSender({ addresses, names: [names.address], connections: 1 })
  try {
    await work(sender)
  } finally {
    await sender.close()
  }
}

describe('rebinding', () => {
  test('an address is asked for once, and the one that was judged is connected to', async () => {
    const { receiver, victim } = await pair()
    await using _receiver = receiver
    await using _victim = victim
    await using names = await NameServer.start((_host, type, times) =>
      type === 'AAAA' ? [] : [times === 1 ? '127.0.0.1' : '127.0.0.2'],
    )
    await withSender(ONE, names, async sender => {
      for (let n = 0; n < 5; n++) assert.equal(fate(await post(sender, 'rebind.example', receiver.port)), 'delivered')
    })
    assert.deepEqual(names.questions.sort(), ['A rebind.example', 'AAAA rebind.example'])
    assert.deepEqual([receiver.connections, receiver.requests.length, victim.connections], [1, 5, 0])
  })

  test('a host that means something else for the next connection is judged again', async () => {
    const { receiver, victim } = await pair('connection: close')
    await using _receiver = receiver
    await using _victim = victim
    await using names = await NameServer.start((_host, type, times) =>
      type === 'AAAA' ? [] : [times === 1 ? '127.0.0.1' : '127.0.0.2'],
    )
    await withSender(ONE, names, async sender => {
      assert.equal(fate(await post(sender, 'rebind.example', receiver.port)), 'delivered')
      const outcome = await post(sender, 'rebind.example', receiver.port)
      assert.deepEqual(
        [outcome.failure?.stage, outcome.failure?.reason, fate(outcome)],
        ['refused', 'address', 'reject'],
      )
    })
    assert.deepEqual([receiver.connections, victim.connections], [1, 0])
  })

  test('one address among others that may not be reached refuses them all', async () => {
    const { receiver, victim } = await pair()
    await using _receiver = receiver
    await using _victim = victim
    await using names = await NameServer.start((host, type) => {
      if (host.startsWith('six')) return type === 'AAAA' ? ['::1'] : ['127.0.0.1']
      if (host.startsWith('mapped')) return type === 'AAAA' ? ['::ffff:127.0.0.2'] : ['127.0.0.1']
      return type === 'AAAA' ? [] : ['127.0.0.1', '127.0.0.2']
    })
    await withSender(ONE, names, async sender => {
      for (const host of ['two.example', 'six.example', 'mapped.example']) {
        const outcome = await post(sender, host, receiver.port)
        assert.deepEqual([outcome.failure?.reason, fate(outcome)], ['address', 'reject'], host)
      }
    })
    assert.deepEqual([receiver.connections, victim.connections], [0, 0])
  })

  test('a host that means metadata or a private network is refused by its address', async () => {
    const addresses = ['169.254.169.254', '10.0.0.1', '192.168.0.1', '100.64.0.1', '0.0.0.0']
    await using names = await NameServer.start((host, type) =>
      type === 'AAAA' ? [] : [addresses[Number(host.split('.')[0])]!],
    )
    await withSender({ http: true }, names, async sender => {
      for (const n of addresses.keys()) {
        const outcome = await post(sender, `${n}.example`, 80)
        assert.deepEqual([outcome.failure?.stage, fate(outcome)], ['refused', 'reject'], `${addresses[n]}`)
      }
      assert.deepEqual(names.questions.length, 2 * addresses.length)
      // This one is not even asked for.
      assert.equal(fate(await post(sender, 'localhost', 80)), 'reject')
      assert.deepEqual(names.questions.length, 2 * addresses.length)
    })
  })

  test('what the socket turns out to be connected to is judged too', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)))
    await using names = await NameServer.start((_host, type) => (type === 'AAAA' ? [] : ['0.0.0.0']))
    // It is allowed, and the system takes it for 127.0.0.1, which is not.
    await withSender({ http: true, ports: 'any', allow: ['0.0.0.0'] }, names, async sender => {
      for (const host of ['zero.example', '0.0.0.0']) {
        const outcome = await post(sender, host, receiver.port)
        assert.deepEqual([outcome.failure?.stage, outcome.failure?.reason], ['refused', 'address'], host)
        assert.match(outcome.failure?.message ?? '', /loopback/)
      }
    })
    assert.equal(receiver.requests.length, 0)
  })
})

describe('a host', () => {
  test('that does not exist was not sent to', async () => {
    await using names = await NameServer.start(() => [])
    await withSender(ONE, names, async sender => {
      const outcome = await post(sender, 'nobody.example', 80)
      assert.deepEqual([outcome.failure?.stage, outcome.failure?.reason, fate(outcome)], ['unsent', 'names', 'retry'])
    })
  })

  test('of a silent server of names is given up with the connection, and delays no other', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)))
    await using names = await NameServer.start((host, type) =>
      host === 'silent.example' ? null : type === 'AAAA' ? [] : ['127.0.0.1'],
    )
    const sender = new HttpSender({ addresses: ONE, names: [names.address], connectTimeout: '1.5s' })
    const silent = Array.from({ length: 20 }, () => post(sender, 'silent.example', receiver.port))
    assert.equal(fate(await post(sender, 'good.example', receiver.port)), 'delivered')
    for (const outcome of await Promise.all(silent)) {
      assert.deepEqual([outcome.failure?.stage, fate(outcome)], ['unsent', 'retry'])
    }
    await sender.close()
    // Those that wait for it share one question.
    assert.ok(names.questions.filter(question => question === 'A silent.example').length < 20)
  })

  test('is found as this machine finds it, when that is asked for, and judged like any other', async () => {
    await using receiver = await RawReceiver.start(socket => socket.write(answer(200)))
    const allowed = { http: true, ports: 'any', allow: ['127.0.0.1', '::1'] } as const
    const sender = new HttpSender({ addresses: allowed, names: 'system' })
    assert.equal(fate(await post(sender, 'localhost', receiver.port)), 'delivered')
    await sender.close()
    const strict = new HttpSender({ addresses: { http: true, ports: 'any' }, names: 'system' })
    assert.equal(fate(await post(strict, 'localhost', receiver.port)), 'reject')
    await strict.close()
  })
})
