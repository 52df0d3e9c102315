/** The notifier on two nodes: either takes everything, and when one is killed the other has everything. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { WebhooksNodes } from './webhooks-nodes.ts'

const KILLS = 10
/** Of each account in each round. */
const EVENTS = 30
/** In both partitions. */
const ACCOUNTS = ['acme', 'bolt', 'core', 'dock']
const ENDPOINTS = ['first', 'second']

let nodes: WebhooksNodes
before(async () => {
  nodes = await WebhooksNodes.begin({ WEBHOOKS_RETRY: '100ms,100ms' })
  await nodes.start('a')
  await nodes.start('b')
})
after(() => nodes[Symbol.asyncDispose]())

function pathsOf(account: string): string[] {
  return ENDPOINTS.map(name => `/${account}/${name}`)
}

async function attemptsOf(node: string, account: string, event: string): Promise<{ endpoint: string }[]> {
  return (await nodes.call(node, 'GET', `/${account}/events/${event}/attempts`, 200)).attempts
}

async function lettersOf(node: string, endpoint: string): Promise<{ time: number }[]> {
  return (await nodes.ask(node, 'GET', `/dead-letters?state=open&destination=${endpoint}`)).body.letters
}

async function destinationAt(node: string, endpoint: string): Promise<Record<string, unknown>> {
  const { body } = await nodes.ask(node, 'GET', `/deliveries/webhooks/destinations?from=${endpoint}&limit=1`)
  return body.destinations[0] ?? {}
}

test('what one node has answered is in force on the other', async () => {
  for (const account of ['one', 'two', 'three', 'four']) {
    const { owner, other } = await nodes.sides(account)
    for (const [maker, sender] of [
      [owner, other],
      [other, owner],
    ] as const) {
      const id = await nodes.endpoint(maker, account, maker, { types: [`${maker}.*`] })
      await nodes.event(sender, account, `to-${maker}`, `${maker}.made`)
      await nodes.until(() => nodes.receiver.at(`/${account}/${maker}`).has(`to-${maker}`))
      assert.deepEqual(await nodes.call(sender, 'GET', `/${account}/endpoints/${id}`, 200), {
        ...(await nodes.call(maker, 'GET', `/${account}/endpoints/${id}`, 200)),
      })
      // The records of tries are read from the log, which has them a moment later.
      for (const node of nodes.names) {
        await nodes.until(async () => (await attemptsOf(node, account, `to-${maker}`)).length === 1)
        assert.equal((await attemptsOf(node, account, `to-${maker}`))[0]?.endpoint, id)
      }
    }
  }
  assert.deepEqual(nodes.receiver.faults, [])
})

test('types that are declared at one node are asked for at the other from then on', async () => {
  const { owner, other } = await nodes.sides('typed')
  const typed = (node: string, name: string) =>
    nodes.call(node, 'PUT', '/typed/event-types', 200, { eventTypes: [{ name }] })
  // Each knows what was declared before.
  for (const node of [owner, other]) await nodes.event(node, 'typed', `any-${node}`, 'any')
  for (const [declares, sends] of [
    [owner, other],
    [other, owner],
  ] as const) {
    await typed(declares, `${declares}.type`)
    const refused = await nodes.ask(sends, 'POST', '/webhooks/accounts/typed/events', {
      type: `${sends}.type`,
      data: 1,
    })
    assert.deepEqual([refused.status, refused.body.error?.code], [400, 'VALUE_INVALID'])
    await nodes.event(sends, 'typed', `good-${sends}`, `${declares}.type`)
  }
})

test('both nodes change an account at the same time, and no change is lost; one that cannot be is refused', async () => {
  const names = Array.from({ length: 12 }, (_, i) => `n${i}`)
  const ids = await Promise.all(names.map((name, i) => nodes.endpoint(i % 2 === 0 ? 'a' : 'b', 'busy', name)))
  for (const node of nodes.names) {
    const { endpoints } = await nodes.call(node, 'GET', '/busy/endpoints', 200)
    assert.deepEqual(endpoints.map((one: { id: string }) => one.id).sort(), [...ids].sort())
  }
  // Of each both ask whether it can be, before either is done.
  const outcomes = await Promise.all(
    ids.flatMap(id => [
      nodes.ask('a', 'DELETE', `/webhooks/accounts/busy/endpoints/${id}`),
      nodes.ask('b', 'PATCH', `/webhooks/accounts/busy/endpoints/${id}`, { description: 'still here' }),
    ]),
  )
  for (const [i, { status, body }] of outcomes.entries()) {
    const allowed = i % 2 === 0 ? [204] : [200, 404]
    assert.ok(allowed.includes(status), `${status} ${JSON.stringify(body)}`)
  }
  assert.deepEqual(await nodes.call('b', 'GET', '/busy/endpoints', 200), { endpoints: [] })
})

test('an event that lies in the partition of other accounts is a dead letter, and not lost', async () => {
  await nodes.endpoint('a', 'placed', 'in')
  await nodes.produceAt(0, 'placed')
  await nodes.produceAt(1, 'placed')
  await nodes.until(() => nodes.receiver.at('/placed/in').size === 1)
  const found = async () => (await nodes.ask('b', 'GET', '/dead-letters?topic=webhooks.events&code=VALUE_INVALID')).body
  await nodes.until(async () => (await found()).letters.length === 1)
  assert.match((await found()).letters[0].message, /belongs into partition \d/)
})

test('a secret that is turned at one node signs what comes by the other; 410 disables, and is seen at both', async () => {
  const { owner, other } = await nodes.sides('turn')
  const id = await nodes.endpoint(owner, 'turn', 'in')
  const { secrets } = await nodes.call(other, 'POST', `/turn/endpoints/${id}/secret/rotate?keepFor=0s`, 200)
  nodes.receiver.trust('/turn/in', [secrets[0].secret])
  await nodes.event(owner, 'turn', 'turned')
  await nodes.until(() => nodes.receiver.at('/turn/in').has('turned'))
  nodes.receiver.answer('/turn/in', 410)
  await nodes.event(other, 'turn', 'gone')
  for (const node of nodes.names) {
    const statusOf = async () => (await nodes.call(node, 'GET', `/turn/endpoints/${id}`, 200)).status
    await nodes.until(async () => (await statusOf()) === 'disabled')
  }
  nodes.receiver.answer('/turn/in', 200)
  assert.equal((await nodes.call(other, 'POST', `/turn/endpoints/${id}/enable`, 200)).status, 'enabled')
  await nodes.event(owner, 'turn', 'back')
  await nodes.until(() => nodes.receiver.at('/turn/in').has('back'))
  assert.deepEqual(nodes.receiver.faults, [])
})

test('limit, pause and breaker of an endpoint outlive the node that had it; what was given up is replayed at any node', async () => {
  const { owner, other } = await nodes.sides('moved')
  const limited = await nodes.endpoint(other, 'moved', 'limited', { rate: '3/s', concurrency: 2 })
  const paused = await nodes.endpoint(other, 'moved', 'paused')
  const broken = await nodes.endpoint(other, 'moved', 'broken')
  nodes.receiver.answer('/moved/broken', 500)
  const command = { command: 'pause', destination: paused, reason: 'moves house' }
  assert.equal((await nodes.ask(other, 'POST', '/deliveries/webhooks/commands', command)).status, 200)
  await nodes.until(async () => (await destinationAt(other, paused)).state === 'paused')
  const ids = ['m1', 'm2', 'm3', 'm4']
  for (const id of ids) await nodes.event(other, 'moved', id)
  // Three tries each: the breaker opens with the tenth failure, and some were given up by then.
  const isSettled = async () => {
    const { state, underWay, waiting, scheduled } = await destinationAt(other, broken)
    const given = (await lettersOf(other, broken)).length
    return state === 'open' && underWay === 0 && Number(waiting) + Number(scheduled) + given === ids.length
  }
  await nodes.until(isSettled)
  await nodes.until(async () => ids.every(id => nodes.receiver.at('/moved/limited').has(id)))
  const before = await destinationAt(other, broken)
  await nodes.kill(owner)
  assert.equal((await nodes.sides('moved')).owner, other)
  const { state, notBefore } = await destinationAt(other, broken)
  assert.deepEqual([state, notBefore], ['open', before.notBefore])
  const { rate, concurrency } = await destinationAt(other, limited)
  assert.deepEqual([rate, concurrency], ['3/s', 2])
  const { reason, waiting } = await destinationAt(other, paused)
  assert.deepEqual([reason, waiting], ['moves house', ids.length])
  await nodes.start(owner)
  nodes.receiver.answer('/moved/broken', 200)
  const sides = await nodes.sides('moved')
  await nodes.call(sides.other, 'POST', `/moved/endpoints/${broken}/replay`, 202, { since: 0 })
  const resume = { command: 'resume', destination: paused }
  assert.equal((await nodes.ask(sides.other, 'POST', '/deliveries/webhooks/commands', resume)).status, 200)
  for (const name of ['limited', 'paused', 'broken']) {
    await nodes.until(() => ids.every(id => nodes.receiver.at(`/moved/${name}`).has(id)))
  }
  await nodes.until(async () => (await lettersOf(sides.other, broken)).length === 0)
  assert.deepEqual(nodes.receiver.faults, [])
})

test(`nodes are killed ${KILLS} times while they deliver: each event comes to each endpoint, signed, and its id is remembered`, async () => {
  for (const [i, account] of ACCOUNTS.entries()) {
    for (const name of ENDPOINTS) await nodes.endpoint(i % 2 === 0 ? 'a' : 'b', account, name)
  }
  const expected = new Map(ACCOUNTS.map(account => [account, [] as string[]]))
  const { receiver } = nodes
  for (let round = 0; round < KILLS; round++) {
    const [victim, survivor] = round % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const)
    const answer = round % 3 === 0 ? receiver.hold() : () => {}
    // From before the first arrives to when the last is about to.
    const moment = receiver.after(1 + Math.floor((round * EVENTS * ACCOUNTS.length * ENDPOINTS.length) / (1.5 * KILLS)))
    for (const account of ACCOUNTS) {
      const ids = Array.from({ length: EVENTS }, (_, n) => `r${round}-${n}`)
      expected.get(account)!.push(...ids)
      const list = ids.slice(0, EVENTS / 2).map(id => ({ type: 'x', id, data: { id } }))
      await nodes.call(round % 4 < 2 ? victim : survivor, 'POST', `/${account}/events`, 202, list)
      await nodes.produce(account, ids.slice(EVENTS / 2))
    }
    if (round % 5 === 4) {
      // Made where it is killed, and in force where it is not.
      const account = ACCOUNTS[round % ACCOUNTS.length]!
      const late = `late-${round}`
      await nodes.endpoint(victim, account, late, { types: ['late'] })
      await nodes.event(survivor, account, late, 'late')
      await nodes.kill(victim)
      await nodes.until(() => receiver.at(`/${account}/${late}`).has(late))
      expected.get(account)!.push(late)
    } else {
      await moment
      await nodes.kill(victim)
    }
    // While its tasks are on their way, everything is taken and answered.
    for (const account of ACCOUNTS) {
      const id = `meanwhile-${round}`
      await nodes.event(survivor, account, id)
      expected.get(account)!.push(id)
      const { endpoints } = await nodes.call(survivor, 'GET', `/${account}/endpoints`, 200)
      const description = `after ${round}`
      await nodes.call(survivor, 'PATCH', `/${account}/endpoints/${endpoints[0].id}`, 200, { description })
      await nodes.call(survivor, 'GET', `/${account}/endpoints/${endpoints[0].id}/attempts`, 200)
    }
    answer()
    await nodes.start(victim)
  }
  for (const account of ACCOUNTS) {
    for (const path of pathsOf(account)) {
      await nodes.until(() => receiver.at(path).size >= expected.get(account)!.length)
      assert.deepEqual([...receiver.at(path).keys()].sort(), [...expected.get(account)!].sort())
    }
  }
  assert.deepEqual(receiver.faults, [])

  // Each id once more: the endpoints have had it, whoever delivered it then.
  const isIdle = async () => (await nodes.ask('a', 'GET', '/lag')).body.total === 0
  await nodes.until(isIdle)
  const times = () => ACCOUNTS.flatMap(pathsOf).flatMap(path => [...receiver.at(path).values()].map(one => one.times))
  const before = times()
  for (const account of ACCOUNTS) await nodes.produce(account, expected.get(account)!)
  await nodes.until(isIdle)
  for (const account of ACCOUNTS) await nodes.event('b', account, 'last')
  await nodes.until(() => ACCOUNTS.flatMap(pathsOf).every(path => receiver.at(path).has('last')))
  assert.deepEqual(
    times().reduce((sum, count) => sum + count, 0),
    before.reduce((sum, count) => sum + count, 0) + ACCOUNTS.length * ENDPOINTS.length,
  )
})

test('the topic of accounts is compacted, and its newest records are the accounts as they are', async () => {
  const { records } = (await nodes.ask('b', 'GET', '/topics/webhooks.accounts/records?key=acme&limit=1000')).body
  const { value } = records.at(-1)
  const { endpoints } = await nodes.call('a', 'GET', '/acme/endpoints', 200)
  assert.deepEqual(
    value.endpoints.map((one: { id: string }) => one.id),
    endpoints.map((one: { id: string }) => one.id),
  )
  assert.ok(nodes.isCompacted('webhooks.accounts'))
  assert.ok(!nodes.isCompacted('webhooks.events'))
})
