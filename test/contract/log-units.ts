/** Of the conformance suite of `src/log/contract.ts`: units: all or nothing, in their order, with positions and rows. */
import assert from 'node:assert/strict'
import type { AldebaranError, ErrorCode } from '../../src/errors.ts'
import type { Log } from '../../src/log/contract.ts'
import { append, batchOf, readAll, until, withCode } from './log-data.ts'
import type { LogSuite } from './log-session.ts'

export function testUnits({ test }: LogSuite): void {
  test('keeps positions with their metadata', async log => {
    await log.createTopic('t', { partitions: 2 })
    const position = { group: 'g', topic: 't', partition: 1, offset: 5, metadata: 'zeit=ü' }
    assert.equal(log.position('g', 't', 1), undefined)
    await log.commit({ positions: [position, { ...position, group: 'g2', partition: 0 }] })
    assert.deepEqual(log.position('g', 't', 1), position)
    await log.commit({ positions: [{ ...position, offset: 2 ** 40, metadata: '' }] })
    assert.equal(log.position('g', 't', 1)?.offset, 2 ** 40)
    assert.deepEqual(
      log.positions('g').map(found => found.partition),
      [1],
    )
    assert.deepEqual(
      log.positions().map(found => found.group),
      ['g', 'g2'],
    )
  })

  test('keeps rows of disk tables apart and in order', async log => {
    if (!log.capabilities.tables) {
      const write = { table: 'a', key: Buffer.from('k'), value: Buffer.from('v') }
      return await assert.rejects(log.commit({ tables: [write] }), withCode('OPTION_INVALID'))
    }
    const row = (table: string, key: string, value: string | null) => ({
      table,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    })
    await log.commit({
      tables: [row('a', 'k2', 'two'), row('a', 'k1', 'one'), row('ab', 'k1', 'other'), row('a', '', '')],
    })
    assert.equal(String(log.tableGet('a', Buffer.from('k1'))), 'one')
    assert.equal(log.tableGet('a', Buffer.from(''))?.length, 0)
    assert.equal(log.tableGet('a', Buffer.from('k3')), undefined)
    const entries = (...bounds: [Uint8Array?, Uint8Array?, number?]): string[] =>
      [...log.tableRange('a', ...bounds)].map(([key, value]) => `${key}=${value}`)
    assert.deepEqual(entries(), ['=', 'k1=one', 'k2=two'])
    assert.deepEqual(entries(Buffer.from('k1'), Buffer.from('k2')), ['k1=one'])
    assert.deepEqual(entries(undefined, undefined, 2), ['=', 'k1=one'])
    await log.commit({ tables: [row('a', 'k1', null), row('a', 'k2', 'changed'), row('a', 'none', null)] })
    assert.deepEqual(entries(), ['=', 'k2=changed'])
    const many = Array.from({ length: 1000 }, (_, i) => row('m', String(i).padStart(4, '0'), String(i)))
    await log.commit({ tables: many })
    assert.deepEqual(
      [...log.tableRange('m')].map(([, value]) => Number(value)),
      many.map((_, i) => i),
    )
  })

  test('does all of a unit or nothing, and names what is wrong', async log => {
    await log.createTopic('t', { partitions: 1 })
    const good = { topic: 't', partition: 0, batch: batchOf(['good']) }
    const broken = batchOf(['broken'])
    broken[broken.length - 2]! ^= 1
    const position = { group: 'g', topic: 't', partition: 0, offset: 1, metadata: '' }
    const cases: [ErrorCode, object][] = [
      ['TOPIC_UNKNOWN', { topic: 'no', partition: 0, batch: batchOf(['x']) }],
      ['PARTITION_UNKNOWN', { topic: 't', partition: 1, batch: batchOf(['x']) }],
      ['BATCH_CORRUPT', { topic: 't', partition: 0, batch: broken }],
      ['BATCH_TOO_LARGE', { topic: 't', partition: 0, batch: batchOf(['x'.repeat(5 << 20)]) }],
    ]
    for (const [code, bad] of cases) {
      const unit = { appends: [good, bad as typeof good], positions: [position] }
      await assert.rejects(log.commit(unit), withCode(code))
    }
    assert.deepEqual(log.partition('t', 0), { start: 0, end: 0, bytes: 0 })
    assert.equal(log.position('g', 't', 0), undefined)
    assert.deepEqual((await log.commit({ appends: [good], positions: [position] })).offsets, [0])
  })

  test('fails what a client submitted after a unit that failed, and nobody else', async (log, session) => {
    await log.createTopic('t', { partitions: 1 })
    const other = session.client()
    const told: string[] = []
    const submit = (client: Log, name: string, topic: string): void =>
      client.submit({ appends: [{ topic, partition: 0, batch: batchOf([name]) }] }, error => {
        told.push(`${name} ${error === null ? 'ok' : (error as AldebaranError).code}`)
      })
    submit(log, 'first', 't')
    submit(log, 'wrong', 'no')
    submit(log, 'after', 't')
    submit(other, 'other', 't')
    await until(log, () => {
      log.pump()
      return told.filter(line => !line.startsWith('other')).length === 3
    })
    await until(other, () => {
      other.pump()
      return told.length === 4
    })
    assert.deepEqual(
      told.filter(line => !line.startsWith('other')),
      ['first ok', 'wrong TOPIC_UNKNOWN', 'after LOG_STOPPED'],
    )
    assert.ok(told.includes('other ok'))
    await append(log, 't', 0, batchOf(['again']))
    assert.equal(log.partition('t', 0).end, 3)
  })

  test('copies what is submitted, and tells results in order', async log => {
    await log.createTopic('t', { partitions: 1 })
    const told: number[] = []
    let problem: Error | null = null
    for (let i = 0; i < 3000; i++) {
      const batch = batchOf([String(i)])
      log.submit({ appends: [{ topic: 't', partition: 0, batch }] }, (error, result) => {
        problem ??= error
        told.push(result?.offsets[0] ?? -1)
      })
      batch.fill(0)
    }
    await until(log, () => {
      log.pump()
      return told.length === 3000
    })
    assert.equal(problem, null)
    assert.deepEqual(
      told,
      told.map((_, i) => i),
    )
    assert.deepEqual(readAll(log.reader('t', 0, 2998)), ['2998:2998', '2999:2999'])
  })
}
