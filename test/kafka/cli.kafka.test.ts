import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { kafkaBroker } from '../servers/kafka.ts'
import { command, ended, listening, type Outcome, spawnCommand } from './command-line.ts'

const { bootstrap } = await kafkaBroker()
const LOG = `kafka://${bootstrap}`
const ENTRY = join(import.meta.dirname, '../../apps/audit/entry.ts')
const PARTITIONS = 4

describe('commands on an application that runs on Kafka', () => {
  const name = `cli-${randomUUID().slice(0, 8)}`
  const topics = { AUDIT_TRADES: `${name}-trades`, AUDIT_REQUESTS: `${name}-requests` }
  const env = {
    ...topics,
    AUDIT_NAME: name,
    AUDIT_PURCHASES: `${name}-purchases`,
    AUDIT_ALERTS: `${name}-alerts`,
    AUDIT_PARTITIONS: String(PARTITIONS),
    AUDIT_DELTA_MS: '3600000',
    ALDEBARAN_LOG: `${LOG}?standbys=1`,
  }
  const nodes: { child: ChildProcess; url: string }[] = []
  const ask = (node: number, ...args: string[]): Promise<Outcome> => command(args, { ALDEBARAN_URL: nodes[node]!.url })
  const until = async (args: string[], isSo: (outcome: Outcome) => boolean): Promise<Outcome> => {
    for (;;) {
      const outcome = await ask(0, ...args)
      if (isSo(outcome)) return outcome
      await setTimeout(50)
    }
  }

  before(async () => {
    for (let i = 0; i < 2; i++) {
      const child = spawnCommand(['run', ENTRY, '--port', '0', '--workers', '1'], env)
      nodes.push({ child, url: await listening(child) })
    }
  })

  after(async () => {
    for (const { child } of nodes) await ended(child, 'SIGTERM')
  })

  test('cluster tells every task once, with its standby on the other node', async () => {
    const all = Array.from({ length: PARTITIONS }, (_, i) => [`audit/${i}`, `intake/${i}`])
    const isComplete = ({ lines }: Outcome): boolean =>
      lines.length === 2 &&
      lines.flatMap(node => node.active).length === 2 * PARTITIONS &&
      lines.flatMap(node => node.standby).length === PARTITIONS
    const { lines } = await until(['cluster'], isComplete)
    assert.deepEqual(lines.flatMap(node => node.active).sort(), all.flat().sort())
    for (const node of lines) {
      assert.equal(node.state, 'alive')
      if (node.own) assert.notEqual(node.standbyLag, null)
      for (const task of node.standby) assert.ok(!node.active.includes(task))
    }
    assert.deepEqual(
      lines.map(node => node.own),
      [true, false],
    )
  })

  test('the metrics tell of requests by api, and of the epochs of its workers', async () => {
    const text = await (await fetch(`${nodes[0]!.url}/metrics`)).text()
    for (const api of ['Fetch', 'Metadata', 'InitProducerId']) {
      assert.match(
        text,
        new RegExp(`^aldebaran_kafka_requests_total\\{api="${api}",application="${name}"\\} [1-9]`, 'm'),
      )
    }
    const epochs = [...text.matchAll(/^aldebaran_kafka_member_epoch\{group="([^"]+)",worker="0",.*\} [1-9]\d*$/gm)]
    assert.deepEqual(epochs.map(match => match[1]).sort(), [`${name}.audit`, `${name}.intake`])
  })

  test('what is produced on one node is read, and its rows are found, on the other', async () => {
    const order = '{"id":"o-1","#shares":100,"client":"ACME","stock":"XYZ"}'
    const bought = '{"id":"p-1","initial_order_id":"o-1","#shares":130,"stock":"XYZ"}'
    const { lines } = await command(
      ['produce', topics.AUDIT_TRADES, '--key', 'o-1'],
      { ALDEBARAN_URL: nodes[0]!.url },
      `${order}\n${bought}\n`,
    )
    assert.deepEqual(lines, [{ accepted: 2, rejected: 0 }])
    await until(['tail', env.AUDIT_ALERTS, '--from', 'earliest', '-n', '10'], outcome => outcome.lines.length > 0)
    for (const node of [0, 1]) {
      const alerts = await ask(node, 'tail', env.AUDIT_ALERTS)
      assert.deepEqual(
        alerts.lines.map(({ value }) => [value.orderId, value.kind]),
        [['o-1', 'OVERBOUGHT']],
      )
      const row = await ask(node, 'table', 'get', 'audit', 'books', 'o-1')
      assert.equal(row.lines[0]!.fields.purchased, 130)
      assert.equal((await ask(node, 'table', 'scan', 'audit', 'books')).lines.length, 1)
    }
  })

  test('once all is processed nobody is behind, though transactions leave gaps', async () => {
    const { lines } = await until(['lag'], outcome => outcome.lines.every(one => one.lag === 0))
    const mine = lines.filter(one => one.group === `${name}.audit`)
    assert.equal(mine.length, 2 * PARTITIONS)
  })

  test('a dead letter is replayed once, though both nodes are asked at the same time', async () => {
    const bad = Array.from({ length: 20 }, (_, i) => `{"nonsense":${i}}`).join('\n')
    await command(['produce', topics.AUDIT_TRADES], { ALDEBARAN_URL: nodes[1]!.url }, bad)
    const { lines } = await until(['dlq', '-n', '100'], outcome => outcome.lines.length === 20)
    const offsets = lines.map(letter => String(letter.offset))
    const replays = await Promise.all([0, 1, 0, 1].map(node => ask(node, 'dlq', 'replay', ...offsets)))
    for (const { code, err } of replays) if (code !== 0) assert.match(err, /\(BUSY\)/)
    await ask(0, 'dlq', 'replay', ...offsets)
    const trades = await ask(0, 'tail', topics.AUDIT_TRADES, '--from', 'earliest', '-n', '1000')
    const replayed = trades.lines.flatMap(({ headers }) => headers['aldebaran.replay-of'] ?? [])
    assert.deepEqual(replayed.sort(), offsets.map(offset => `${name}.dead-letters:${offset}`).sort())
    for (const node of [0, 1]) {
      const { lines: all } = await ask(node, 'dlq', '--state', 'replayed', '-n', '100')
      assert.deepEqual(all.map(letter => String(letter.offset)).sort(), offsets.sort())
    }
  })

  test('a reset is refused while a node runs; then the application reads everything again', async () => {
    const args = ['reset', name, '--delete-state', '--log', LOG]
    const refused = await command([...args, '--yes'])
    assert.equal(refused.code, 1)
    assert.match(refused.err, /the application runs.*\(BUSY\)/s)
    for (const { child } of nodes) await ended(child, 'SIGTERM')
    const told = await command(args)
    assert.equal(told.code, 0, told.err)
    assert.match(told.err, /Nothing was changed/)
    const done = await command([...args, '--yes'])
    assert.equal(done.code, 0, done.err)
    assert.deepEqual(done.lines, told.lines)
    assert.ok(done.lines.some(line => line.changelog === `${name}.audit.books.changelog`))

    const child = spawnCommand(['run', ENTRY, '--port', '0', '--workers', '1'], env)
    nodes[0] = { child, url: await listening(child) }
    const alerts = ['tail', env.AUDIT_ALERTS, '--from', 'earliest', '-n', '10']
    const { lines } = await until(alerts, outcome => outcome.lines.length >= 2)
    assert.deepEqual(
      lines.map(({ value }) => [value.orderId, value.purchased]),
      [
        ['o-1', 130],
        ['o-1', 130],
      ],
    )
  })
})

test('doctor finds nothing wrong with a broker, and says when there is none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'aldebaran-doctor-'))
  try {
    const common = ['doctor', '--data', folder, '--url', 'http://127.0.0.1:9']
    const { lines } = await command([...common, '--log', LOG, '--write'])
    const checks = new Map(lines.map(({ check, ...rest }) => [check as string, rest]))
    for (const check of [`kafka ${LOG}`, 'kafka versions', 'kafka rights', 'kafka clock', 'kafka write']) {
      assert.equal(checks.get(check)?.ok, true, check)
    }
    const none = await command([...common, '--log', 'kafka://127.0.0.1:9'])
    assert.equal(none.code, 1)
    assert.match(none.lines.at(-1)!.found, /ECONNREFUSED/)
    assert.ok(none.lines.at(-1)!.remedy)
  } finally {
    await rm(folder, { recursive: true })
  }
})
