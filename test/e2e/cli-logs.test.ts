/** Commands that work on a log by themselves, on folders. On Kafka: `test/kafka/cli.kafka.test.ts` and `mirror.kafka.test.ts`. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { taskText } from '../../src/cli/show-values.ts'
import { serve } from '../../src/http/serve.ts'
import { openLog } from '../../src/log/host.ts'
import { readTopic } from '../../src/testing/read-topic.ts'
import { command } from '../kafka/command-line.ts'
import { alertsOf, appendOrders, audit, inFolder, processed, withAuditor } from './auditor.ts'

const ORDERS = ['a', 'b', 'c']

/** A log in which the auditor has processed some orders. */
async function auditedIn(folder: string): Promise<void> {
  await withAuditor(folder, async running => {
    await appendOrders(running.log, ORDERS)
    await processed(running)
  })
}

describe('reset', () => {
  test('tells what it would do, and does it with --yes: everything is read again, with new state', async () => {
    await inFolder(async folder => {
      await auditedIn(folder)
      const args = ['reset', 'audit', '--data', folder, '--delete-state']
      const told = await command(args)
      assert.equal(told.code, 0, told.err)
      assert.match(told.err, /Nothing was changed/)
      const moves = told.lines.filter(line => line.group === 'audit.audit')
      assert.deepEqual(new Set(moves.map(move => move.to)), new Set([0]))
      await withAuditor(folder, async running => assert.equal(alertsOf(running.log).length, ORDERS.length))

      const done = await command([...args, '--yes'])
      assert.deepEqual(done.lines, told.lines)
      await withAuditor(folder, async running => {
        await processed(running)
        const alerts = alertsOf(running.log)
        assert.deepEqual(alerts.map(alert => alert.orderId).sort(), [...ORDERS, ...ORDERS].sort())
        assert.deepEqual(new Set(alerts.map(alert => alert.purchased)), new Set([7]))
      })
    })
  })

  test('is refused while the application runs, and for one that the log does not know', async () => {
    await inFolder(async folder => {
      await auditedIn(folder)
      await withAuditor(folder, async () => {
        const { code, err } = await command(['reset', 'audit', '--data', folder, '--yes'])
        assert.equal(code, 1)
        assert.match(err, /\(STORE_LOCKED\)/)
      })
      const unknown = await command(['reset', 'shop', '--data', folder])
      assert.match(unknown.err, /\(NOT_FOUND\)/)
      const nowhere = await command(['reset', 'audit'], { ALDEBARAN_LOG: '' })
      assert.equal(nowhere.code, 2)
    })
  })

  test('to the latest passes over what was not read yet', async () => {
    await inFolder(async folder => {
      await auditedIn(folder)
      const host = await openLog({ path: folder, durability: 'process' })
      await appendOrders(host.client(), ['late'])
      await host.close()
      const { code, err } = await command(['reset', 'audit', '--data', folder, '--to', 'latest', '--yes'])
      assert.equal(code, 0, err)
      await withAuditor(folder, async running => {
        await processed(running)
        assert.equal(alertsOf(running.log).length, ORDERS.length)
      })
    })
  })
})

describe('mirror', () => {
  test('copies the topics of a folder that another process writes to, and goes on where it was', async () => {
    await inFolder(async folder => {
      const to = join(folder, 'copy')
      await withAuditor(join(folder, 'log'), async running => {
        const args = ['mirror', '--from', join(folder, 'log'), '--to', to, '--all']
        const records: number[] = []
        for (const order of ['first', 'second']) {
          await appendOrders(running.log, [order])
          await processed(running)
          const { code, err, lines } = await command(args)
          assert.equal(code, 0, err)
          records.push(lines[0]!.records)
        }
        assert.deepEqual(records, [3, 3], 'a request, a purchase and an alert each time')
        const host = await openLog({ path: to, readOnly: true })
        const log = host.client()
        for (const topic of [audit.requests, audit.purchases, audit.alerts]) {
          assert.deepEqual(readTopic(log, topic), readTopic(running.log, topic))
        }
        await host.close()
      })
    })
  })

  test('needs to be told what, and refuses another number of partitions', async () => {
    await inFolder(async folder => {
      await auditedIn(join(folder, 'log'))
      const host = await openLog({ path: join(folder, 'copy'), durability: 'process' })
      await host.client().createTopic(audit.alerts.name, { partitions: 7 })
      await host.close()
      const args = ['mirror', '--from', join(folder, 'log'), '--to', join(folder, 'copy')]
      assert.equal((await command(args)).code, 2)
      assert.match((await command([...args, '--all'])).err, /\(TOPIC_EXISTS\)/)
      assert.match((await command([...args, '--topics', 'nothing'])).err, /\(TOPIC_UNKNOWN\)/)
    })
  })
})

describe('cluster', () => {
  test('of an application in one process has one node with every task', async () => {
    await inFolder(async folder => {
      await withAuditor(folder, async running => {
        const server = await serve([running], { port: 0, tokens: [] })
        try {
          const { code, err, lines } = await command(['cluster'], { ALDEBARAN_URL: server.url })
          assert.equal(code, 0, err)
          assert.equal(lines.length, 1)
          assert.deepEqual(lines[0]!.active, ['audit/0', 'audit/1', 'intake/0', 'intake/1'])
          assert.equal(lines[0]!.endpoint, null)
        } finally {
          await server.close()
        }
      })
    })
  })

  test('tasks are told by part, runs of partitions together', () => {
    assert.equal(taskText(['a/0', 'a/1', 'a/2', 'a/4', 'b/0']), 'a/0-2 a/4 b/0')
    assert.equal(taskText([]), 'none')
  })
})
