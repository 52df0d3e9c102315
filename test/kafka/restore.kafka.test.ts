/** That a changelog is read from its copy as it is on Kafka, and from Kafka only what is not in the copy. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectLog } from '../../src/log/client.ts'
import type { Log } from '../../src/log/contract.ts'
import { type KafkaHost, openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { BatchCursor } from '../../src/record/batch-cursor.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { kafkaBroker } from '../servers/kafka.ts'

const { bootstrap } = parseKafkaLocation(`kafka://${(await kafkaBroker()).bootstrap}`, {})

interface Copied {
  from: number
  to: number
}

/** A node with one worker, on a changelog of its own. */
class Site implements AsyncDisposable {
  readonly id = randomUUID().slice(0, 8)
  readonly changelog = `t${this.id}.audit.books.changelog`
  readonly input = `t${this.id}.input`
  readonly folder = mkdtempSync(join(tmpdir(), 'aldebaran-copies-'))
  readonly guarantee: 'exactly-once' | 'at-least-once'
  /** What was read from copies since the node was opened last. */
  copied: Copied[] = []
  warnings: string[] = []
  #host: KafkaHost | null = null

  constructor(guarantee: 'exactly-once' | 'at-least-once' = 'exactly-once') {
    this.guarantee = guarantee
  }

  async open(): Promise<Log> {
    this.copied = []
    this.#host = await this.#node('node', this.folder)
    const log = connectLog(this.#host.workerAddress(0))
    await log.createTopic(this.changelog, { partitions: 1, internal: true })
    await log.createTopic(this.input, { partitions: 1 })
    return log
  }

  /** Another node, without copies, and a client of it. */
  async other(): Promise<{ log: Log; host: KafkaHost }> {
    const host = await this.#node('other', null)
    return { host, log: connectLog(host.workerAddress(0)) }
  }

  #node(name: string, copies: string | null): Promise<KafkaHost> {
    return openKafka({
      bootstrap,
      node: `${this.id}.${name}`,
      guarantee: this.guarantee,
      ...(copies === null ? {} : { copies }),
      report: (level, message, details) => {
        if (level === 'warn') this.warnings.push(message)
        else this.copied.push({ from: Number(details.from), to: Number(details.to) })
      },
    })
  }

  async close(log: Log): Promise<void> {
    await log.close()
    await this.#host?.close()
    this.#host = null
  }

  /** Writes a unit of some records; returns the offset after them. */
  async write(log: Log, records: number, trims: number[] = []): Promise<number> {
    const writer = new BatchWriter()
    for (let i = 0; i < records; i++) {
      const text = Buffer.from(randomUUID())
      writer.append(Date.now(), text, 0, text.length, text, 0, text.length)
    }
    const { offsets } = await log.commit({
      appends: [{ topic: this.changelog, partition: 0, batch: writer.finish() }],
      positions: [{ group: `t${this.id}.audit`, topic: this.input, partition: 0, offset: 0, metadata: '' }],
      trims: trims.map(before => ({ topic: this.changelog, partition: 0, before })),
    })
    return offsets[0]! + records
  }

  get segments(): string[] {
    const folder = join(this.folder, this.changelog, '0')
    return readdirSync(folder)
      .filter(name => name.endsWith('.log'))
      .map(name => join(folder, name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host?.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** All that is committed, as `offset:value`; what is committed when it is called, at least. */
async function readAll(log: Log, topic: string): Promise<string[]> {
  const reader = log.reader(topic, 0, 'earliest')
  const cursor = new BatchCursor()
  const found: string[] = []
  while (reader.position < reader.end()) {
    if (!reader.poll(1024 * 1024)) {
      await log.changed(100)
      continue
    }
    cursor.reset(reader.chunk, 0, reader.size)
    while (cursor.nextBatch()) {
      while (cursor.next()) {
        if (cursor.offset < reader.from) continue
        found.push(`${cursor.offset}:${cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueEnd)}`)
      }
    }
  }
  reader.close()
  return found
}

/** What Kafka itself has, seen by a node without copies. */
async function onKafka(site: Site): Promise<string[]> {
  const { log, host } = await site.other()
  const found = await readAll(log, site.changelog)
  await log.close()
  await host.close()
  return found
}

for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
  test(`a restart reads from Kafka only what is not in the copy, ${guarantee}`, async () => {
    await using site = new Site(guarantee)
    let log = await site.open()
    assert.deepEqual(await readAll(log, site.changelog), [])
    // Several of them are under way at a time.
    const ends = await Promise.all(Array.from({ length: 20 }, () => site.write(log, 50)))
    let end = Math.max(...ends)
    await site.close(log)

    log = await site.open()
    assert.equal((await readAll(log, site.changelog)).length, 1000)
    await site.close(log)
    assert.deepEqual(site.copied, [{ from: 0, to: end }])

    const { log: others, host } = await site.other()
    for (let unit = 0; unit < 5; unit++) await site.write(others, 7)
    await others.close()
    await host.close()

    log = await site.open()
    const all = await readAll(log, site.changelog)
    const before = end
    end = await site.write(log, 1)
    await site.close(log)
    assert.deepEqual(site.copied, [{ from: 0, to: before }])
    assert.equal(all.length, 1035)

    log = await site.open()
    assert.deepEqual(await readAll(log, site.changelog), await onKafka(site))
    await site.close(log)
    assert.deepEqual(site.copied, [{ from: 0, to: end }])
    assert.deepEqual(site.warnings, [])
  })
}

test('a copy that lost its end is read up to there', async () => {
  await using site = new Site()
  let log = await site.open()
  await readAll(log, site.changelog)
  for (let unit = 0; unit < 10; unit++) await site.write(log, 100)
  await site.close(log)
  const [segment] = site.segments
  truncateSync(segment!, statSync(segment!).size - 10)

  log = await site.open()
  const found = await readAll(log, site.changelog)
  await site.close(log)
  assert.deepEqual(found, await onKafka(site))
  assert.equal(found.length, 1000)
  const last = site.copied[0]!.to
  assert.ok(found.some(record => record.startsWith(`${last - 1}:`)) && !found.at(-1)!.startsWith(`${last - 1}:`))
})

test('a copy of a topic that was deleted, and made again, is not used', async () => {
  await using site = new Site()
  let log = await site.open()
  await readAll(log, site.changelog)
  await site.write(log, 100)
  await site.close(log)
  const { log: others, host } = await site.other()
  await others.deleteTopic(site.changelog)
  await others.createTopic(site.changelog, { partitions: 1, internal: true })
  for (let unit = 0; unit < 3; unit++) await site.write(others, 50)
  await others.close()
  await host.close()

  log = await site.open()
  assert.deepEqual(await readAll(log, site.changelog), await onKafka(site))
  await site.close(log)
  assert.deepEqual(site.copied, [])
})

test('what was trimmed from a changelog is not read from its copy, and a copy that lies before it begins anew', async () => {
  await using site = new Site()
  let log = await site.open()
  await readAll(log, site.changelog)
  await site.write(log, 100)
  const before = await site.write(log, 100)
  // Answered when the records are gone.
  await log.commit({ trims: [{ topic: site.changelog, partition: 0, before: before - 30 }] })
  await site.close(log)

  log = await site.open()
  const found = await readAll(log, site.changelog)
  await site.close(log)
  assert.equal(found.length, 30)
  assert.deepEqual(site.copied, [{ from: before - 30, to: before }])

  const { log: others, host } = await site.other()
  const end = await site.write(others, 100)
  await others.commit({ trims: [{ topic: site.changelog, partition: 0, before: end - 10 }] })
  await others.close()
  await host.close()
  log = await site.open()
  assert.equal((await readAll(log, site.changelog)).length, 10)
  await site.close(log)
  assert.deepEqual(site.copied, [])

  log = await site.open()
  assert.equal((await readAll(log, site.changelog)).length, 10)
  await site.close(log)
  assert.deepEqual(site.copied, [{ from: end - 10, to: end }])
})

test('a copy whose folder is gone stops nothing', async () => {
  await using site = new Site()
  let log = await site.open()
  await readAll(log, site.changelog)
  await site.write(log, 100)
  rmSync(join(site.folder, site.changelog), { recursive: true })
  await site.write(log, 100)
  await site.close(log)
  assert.equal(site.warnings.length, 1)
  log = await site.open()
  assert.equal((await readAll(log, site.changelog)).length, 200)
  await site.close(log)
  assert.deepEqual(site.copied, [])
})

test('a client reads on from behind its last unit at once, though the marker of its transaction is on its way', async () => {
  await using site = new Site()
  const log = await site.open()
  for (let unit = 0; unit < 50; unit++) {
    const end = await site.write(log, 1)
    const reader = log.reader(site.changelog, 0, end)
    assert.equal(reader.position, end)
    reader.close()
  }
  await site.close(log)
})
