/** The auditor's alerts by real channels, on two nodes that are killed while they send: once to each, or in doubt. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { listening } from '../../src/connect/channels/test/apparatus.ts'
import { smtpServer } from '../../src/connect/channels/test/smtp-server.ts'
import { until } from '../e2e/auditor-process.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { AuditNodes } from './channels-nodes.ts'

const { bootstrap } = await kafkaBroker()
const KILLS = 8
const ORDERS = 20
/** The default of a channel, over all partitions. */
const CONCURRENCY = 4

/** Nodes with a channel to a mail server, which knows no repetition, and one to a receiver that does. */
async function scene(onLetter: (order: string) => void | Promise<void>) {
  const letters: string[] = []
  const calls = new Map<string, string>()
  const mail = await smtpServer({
    onData(stream, _session, done) {
      const read = async (content: string) => {
        const order = /^Order: (\S+)/m.exec(content)![1]!
        letters.push(order)
        await onLetter(order)
        done()
      }
      // Of a letter that was cut off nothing was taken.
      void text(stream).then(read, () => {})
    },
  })
  const desk = createServer((request, response) => {
    const read = (body: string) => {
      const { data } = JSON.parse(body) as { data: { order: string } }
      calls.set(String(request.headers['idempotency-key']), data.order)
      response.end()
    }
    void text(request).then(read, () => {})
  })
  const place = await listening(desk)
  const nodes = new AuditNodes(bootstrap, [
    {
      name: 'mail',
      type: 'email',
      host: '127.0.0.1',
      port: mail.port,
      security: 'none',
      from: 'alerts@example.com',
      to: 'desk@example.com',
    },
    { name: 'desk', type: 'webhook', endpoint: `http://127.0.0.1:${place.port}`, idempotent: true },
  ])
  return {
    nodes,
    letters,
    /** Orders that the receiver knows of, each key once. */
    called: () => [...calls.values()].sort(),
    async [Symbol.asyncDispose]() {
      await nodes[Symbol.asyncDispose]()
      await mail[Symbol.asyncDispose]()
      await place[Symbol.asyncDispose]()
    },
  }
}

test(`nodes are killed ${KILLS} times while they send: each alert once in the topic and at the receiver, by mail at most once, the unknown ones in doubt`, async () => {
  /** Letters wait for it before they are answered. */
  let open = Promise.withResolvers<void>()
  let strike: (() => void) | null = null
  let left = 0
  await using place = await scene(async () => {
    await open.promise
    if (--left === 0) strike?.()
  })
  const { nodes, letters } = place
  await nodes.start('a')
  await nodes.start('b')
  const orders: string[] = []
  for (let round = 0; round < KILLS; round++) {
    const [victim, survivor] = round % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const)
    const own = Array.from({ length: ORDERS }, (_, n) => `r${round}-${n}`)
    orders.push(...own)
    const struck = Promise.withResolvers<void>()
    left = 1 + round
    strike = () => {
      nodes.strike(victim)
      struck.resolve()
    }
    await nodes.overbuy(round % 3 === 0 ? victim : survivor, own)
    open.resolve()
    await struck.promise
    await nodes.kill(victim)
    open = Promise.withResolvers()
    await nodes.start(victim)
  }
  strike = null
  open.resolve()

  const isDone = async () => {
    const known = new Set([...letters, ...(await nodes.inDoubt('a')).map(({ order }) => order)])
    const { waiting = 0, scheduled = 0, underWay = 0 } = await nodes.channel('b', 'mail')
    return known.size === orders.length && waiting === 0 && scheduled === 0 && underWay === 0
  }
  await until(async () => place.called().length === orders.length && (await isDone()))
  orders.sort()
  assert.deepEqual(place.called(), orders)
  assert.deepEqual(await nodes.alerts('b'), orders)
  assert.equal(new Set(letters).size, letters.length)

  // Who is on duty asks the mail server which of them it took, and says so at any node.
  const doubts = await nodes.inDoubt('a')
  assert.deepEqual(await nodes.inDoubt('b'), doubts)
  assert.ok(doubts.length >= 1 && doubts.length <= KILLS * CONCURRENCY, `${doubts.length} in doubt`)
  assert.equal(new Set(doubts.map(({ order }) => order)).size, doubts.length)
  assert.ok(doubts.every(({ channel }) => channel === 'mail'))
  const got = new Set(letters)
  for (const [i, { event, order }] of doubts.entries()) {
    const verb = got.has(order) ? 'drop' : 'send'
    const lines = await nodes.ask(i % 2 === 0 ? 'a' : 'b', ['alerts', 'in-doubt', verb, event])
    assert.deepEqual(lines, [{ accepted: 1 }])
  }
  await until(async () => letters.length === orders.length && (await nodes.inDoubt('b')).length === 0)
  assert.deepEqual([...letters].sort(), orders)
  assert.deepEqual(await nodes.inDoubt('a'), [])
})
