import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { batchOf, withCode } from '../../test/contract/log-data.ts'
import { connectLog, type EmbeddedAddress } from './client.ts'
import { EndsTable } from './ends.ts'
import { type LogHost, openLog } from './host.ts'
import { SUBMITTED } from './mailbox.ts'

let path = ''
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'aldebaran-release-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

const small = { durability: 'process', maxBytes: 64 * 2 ** 20 } as const

describe('a thread that ends without closing its client', () => {
  async function endedThread(host: LogHost): Promise<EmbeddedAddress> {
    const address = host.address()
    const thread = new Worker(new URL('./test/submit-and-exit.ts', import.meta.url), { workerData: address })
    await once(thread, 'exit')
    return address
  }

  it('is released when all it had submitted is answered', async () => {
    const host = await openLog({ path, durability: 'disk', maxBytes: 2 ** 29 })
    const log = host.client()
    await log.createTopic('t', { partitions: 1 })
    const address = host.address()
    const dead = connectLog(address)
    // Takes the log thread much longer to commit than this thread to get to the next line.
    const batch = batchOf(['x'.repeat(1_000_000)])
    for (let unit = 0; unit < 30; unit++) dead.submit({ appends: [{ topic: 't', partition: 0, batch }] }, () => {})
    await host.release(address)
    assert.equal(log.partition('t', 0).end, 30)
    await dead.close()
    await host.close()
  })

  it('leaves its number, and no interest in what it read', async () => {
    const host = await openLog({ path, ...small })
    const log = host.client()
    await log.createTopic('t', { partitions: 1 })
    const address = await endedThread(host)
    await host.release(address)
    const ends = new EndsTable(address.ends)
    assert.deepEqual([log.partition('t', 0).end, ends.interest(0, 0), ends.interest(0, 1)], [20, 0, 0])
    assert.equal(host.address().client, address.client)
    await host.close()
  })

  it('is released too when the log thread has ended before it answered', async () => {
    const host = await openLog({ path, ...small })
    const address = host.address()
    await host.close()
    Atomics.store(new Int32Array(address.mailbox.words), SUBMITTED, 1)
    await host.release(address)
    assert.throws(() => connectLog(address), withCode('OPTION_INVALID'))
  })
})
