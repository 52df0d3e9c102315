/** Of the conformance suite of `src/log/contract.ts`: clients: woken, closed, opened again. */
import assert from 'node:assert/strict'
import type { CommitResult } from '../../src/log/contract.ts'
import { append, batchOf, readAll, until, withCode } from './log-data.ts'
import type { LogSuite } from './log-session.ts'

export function testClients({ test }: LogSuite): void {
  test('wakes who reads a partition when it grows', async (log, session) => {
    await log.createTopic('t', { partitions: 2 })
    const other = session.client()
    const reader = other.reader('t', 1, 'latest')
    const growth = until(other, () => reader.end() > 0)
    await append(log, 't', 1, batchOf(['new']))
    await growth
    assert.deepEqual(readAll(reader), ['0:new'])
  })

  test('wake ends a wait, also one that begins after it', async log => {
    log.wake()
    await log.changed(600_000)
    log.wake()
    log.wait(600_000)
    const stop = new AbortController()
    const waiting = log.changed(600_000, stop.signal)
    stop.abort()
    await waiting
    assert.equal(stop.signal.aborted, true)
  })

  test('has everything after it was opened again', async (log, session) => {
    await log.createTopic('t', { partitions: 2 })
    for (const text of ['a', 'b', 'c']) await append(log, 't', 1, batchOf([text]))
    await log.commit({
      trims: [{ topic: 't', partition: 1, before: 1 }],
      positions: [{ group: 'g', topic: 't', partition: 1, offset: 2, metadata: 'm' }],
      ...(log.capabilities.tables && {
        tables: [{ table: 'x', key: Buffer.from('k'), value: Buffer.from('v') }],
      }),
    })
    const before = log.partition('t', 1)
    const again = (await session.reopen()).client()
    assert.deepEqual(again.partition('t', 1), before)
    assert.deepEqual(readAll(again.reader('t', 1, 'earliest')), ['1:b', '2:c'])
    assert.equal(again.position('g', 't', 1)?.metadata, 'm')
    if (log.capabilities.tables) assert.equal(String(again.tableGet('x', Buffer.from('k'))), 'v')
    assert.deepEqual((await append(again, 't', 1, batchOf(['d']))).offsets, [3])
  })

  test('refuses everything once it is closed, after finishing what was submitted', async log => {
    await log.createTopic('t', { partitions: 1 })
    let result: CommitResult | null = null
    log.submit({ appends: [{ topic: 't', partition: 0, batch: batchOf(['last']) }] }, (_, told) => {
      result = told
    })
    const reader = log.reader('t', 0, 'earliest')
    await log.close()
    assert.deepEqual(result, { offsets: [0] })
    await assert.rejects(log.commit({}), withCode('LOG_CLOSED'))
    assert.throws(() => log.topics(), withCode('LOG_CLOSED'))
    assert.throws(() => reader.poll(1000), withCode('LOG_CLOSED'))
  })
}
