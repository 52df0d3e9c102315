/** Disk tables on Kafka: nodes are killed at their commits, lose their folders, follow each other and take over. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { kafka, Producer, run } from '../../src/index.ts'
import type { Log, PartitionReader } from '../../src/log/contract.ts'
import { type KafkaHost, openKafka } from '../../src/log/kafka/host.ts'
import { parseKafkaLocation } from '../../src/log/kafka/location.ts'
import { BatchCursor } from '../../src/record/batch-cursor.ts'
import { systemClock } from '../../src/time/clock.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { command } from './command-line.ts'
import { countingOnDisk, FORGET, PARTITIONS, topicsOf } from './disk-application.ts'
import type { DiskLook } from './disk-node.ts'

const { bootstrap } = await kafkaBroker()
const LOOK_MS = 50
const KEYS = Array.from({ length: 40 }, (_, i) => `key ${i}`)

class Node {
  readonly folder = mkdtempSync(join(tmpdir(), 'aldebaran-disk-'))
  readonly #name: string
  readonly #application: string
  readonly #standbys: number
  readonly #workers: number
  #child: ChildProcess | null = null
  #errors = ''

  constructor(application: string, name: string, standbys: number, workers: number) {
    this.#application = application
    this.#name = name
    this.#standbys = standbys
    this.#workers = workers
  }

  async start(withNote = false): Promise<void> {
    const numbers = [this.#standbys, this.#workers].map(String)
    const args = [bootstrap, this.#name, join(this.folder, 'state'), ...numbers]
    const child = fork(new URL('./disk-node.ts', import.meta.url), args, {
      env: { ...process.env, DISK_NAME: this.#application, DISK_NOTE: withNote ? '1' : '' },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    child.stderr!.on('data', (data: Buffer) => {
      this.#errors += data.toString()
    })
    this.#child = child
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => assert.fail(`the node ended: ${this.#errors}`)),
    ])
  }

  async look(): Promise<DiskLook> {
    for (;;) {
      const answered = once(this.#child!, 'message')
      this.#child!.send('look')
      const [answer] = (await answered) as [DiskLook | string]
      if (typeof answer !== 'string') return answer
      await setTimeout(LOOK_MS)
    }
  }

  async until(isSo: (look: DiskLook) => boolean): Promise<DiskLook> {
    for (;;) {
      const look = await this.look()
      if (isSo(look)) return look
      await setTimeout(LOOK_MS)
    }
  }

  async stop(): Promise<void> {
    const child = this.#child!
    const ended = once(child, 'exit')
    child.send('stop')
    await ended
    this.#child = null
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    this.#child = null
  }

  /** Data files of the stores that it has. */
  get stores(): string[] {
    return readdirSync(this.folder, { recursive: true })
      .map(String)
      .filter(name => name.endsWith('.mdb'))
      .map(name => join(this.folder, name))
  }

  async end(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** An application of its own, and who sends and reads. */
class Site implements AsyncDisposable {
  readonly name = `disk${randomUUID().slice(0, 8)}`
  readonly topics = topicsOf(this.name)
  readonly nodes: Node[] = []
  /** By key, in their order. */
  readonly told = new Map<string, number[]>()
  count = 0
  sent = 0
  readonly #host: KafkaHost
  readonly #producer: Producer
  readonly log: Log
  readonly #cursor = new BatchCursor()
  #readers: PartitionReader[] = []

  constructor(host: KafkaHost) {
    this.#host = host
    this.log = host.client()
    this.#producer = new Producer(this.log, systemClock)
  }

  static async begin(): Promise<Site> {
    const { bootstrap: brokers } = parseKafkaLocation(`kafka://${bootstrap}`, {})
    const site = new Site(await openKafka({ bootstrap: brokers, node: `test-${randomUUID().slice(0, 8)}` }))
    for (const topic of Object.values(site.topics)) await site.log.createTopic(topic.name, topic.options)
    site.#readers = Array.from({ length: PARTITIONS }, (_, partition) =>
      site.log.reader(site.topics.told.name, partition, 'earliest'),
    )
    return site
  }

  add(name: string, standbys = 0, workers = 2): Node {
    const node = new Node(this.name, name, standbys, workers)
    this.nodes.push(node)
    return node
  }

  async send(keys: readonly string[], word: string): Promise<void> {
    for (const key of keys) this.#producer.send(this.topics.words, key, word)
    this.sent += keys.length
    await this.#producer.flush()
  }

  /** Reads until so many were told since the begin. */
  async untilTold(count: number): Promise<void> {
    while (this.count < count) if (!this.#read()) await this.log.changed(1000)
  }

  #read(): boolean {
    let found = false
    for (const reader of this.#readers) {
      if (!reader.poll(1 << 20)) continue
      const cursor = this.#cursor
      cursor.reset(reader.chunk, 0, reader.size)
      while (cursor.nextBatch()) {
        while (cursor.next()) {
          if (cursor.offset < reader.from) continue
          const key = cursor.bytes.toString('utf8', cursor.keyStart, cursor.keyEnd)
          const told = this.told.get(key) ?? []
          told.push(cursor.bytes.readInt32BE(cursor.valueStart))
          this.told.set(key, told)
          this.count++
          found = true
        }
      }
    }
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.end()
    for (const reader of this.#readers) reader.close()
    await this.#host.close()
  }
}

const isAll = ({ active }: DiskLook): boolean => active.length === PARTITIONS

test('a node that is killed at its commits loses no row and doubles none', async () => {
  await using site = await Site.begin()
  const node = site.add('one')
  await node.start()
  for (let round = 0; round < 4; round++) {
    const before = site.count
    for (let burst = 0; burst < 10; burst++) await site.send(KEYS, `${round}/${burst}`)
    // It was just told that some units are committed, and is about to write them to its stores.
    await site.untilTold(before + 1 + round * 60)
    await node.kill()
    await node.start()
  }
  await site.untilTold(site.sent)
  const look = await node.until(({ rows }) => rows.length === KEYS.length && rows.every(row => row.last === '3/9'))
  for (const key of KEYS) {
    assert.deepEqual(
      site.told.get(key),
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
    assert.equal(look.rows.find(row => row.key === key)?.count, 40)
  }
  assert.equal(look.deadLetters, 0)
  assert.deepEqual(look.warnings, [])
  // Of 1600 that there are in its changelogs.
  assert.ok(look.restored < 400, `${look.restored} records were read`)
})

test('a restart reads only what is new; without the folder, or with a damaged store, everything', async () => {
  await using site = await Site.begin()
  // One worker: what another one reads to take a task over warm is no restore.
  const node = site.add('one', 0, 1)
  await node.start()
  for (let burst = 0; burst < 5; burst++) await site.send(KEYS, String(burst))
  await site.send(KEYS.slice(0, 10), FORGET)
  await site.untilTold(site.sent)
  await node.stop()
  const isRight = ({ rows }: DiskLook): boolean =>
    rows.length === KEYS.length - 10 && rows.every(({ key, count }) => count === 5 && !KEYS.slice(0, 10).includes(key))

  await node.start()
  let look = await node.until(isAll)
  assert.equal(look.restored, 0)
  assert.ok(isRight(look))
  assert.deepEqual(look.warnings, [])
  await node.stop()

  rmSync(node.folder, { recursive: true })
  await node.start()
  look = await node.until(isAll)
  assert.ok(look.restored >= KEYS.length)
  assert.ok(isRight(look))
  assert.deepEqual(look.warnings, [])
  await node.kill()

  for (const store of node.stores) truncateSync(store, 6000)
  // Rows of another form, too.
  await node.start(true)
  look = await node.until(isAll)
  assert.ok(look.restored >= KEYS.length)
  assert.ok(isRight(look))
  assert.deepEqual(
    look.rows.map(row => row.note),
    look.rows.map(() => ''),
  )
  assert.equal(look.warnings.length, PARTITIONS)
  await site.send(KEYS, 'last')
  await site.untilTold(site.sent)
  assert.deepEqual(site.told.get(KEYS[0]!)?.slice(-2), [0, 1])
  assert.deepEqual(site.told.get(KEYS[39]!)?.slice(-2), [5, 6])
})

test('a standby takes over without a restore, and follows when its node comes back', async () => {
  await using site = await Site.begin()
  const first = site.add('one', 1)
  const second = site.add('two', 1)
  await first.start()
  await second.start()
  const follow = (some: DiskLook, other: DiskLook): boolean =>
    some.active.length + other.active.length === PARTITIONS &&
    [...some.standby, ...other.standby].filter(({ lag }) => lag <= 2).length === PARTITIONS
  while (!follow(await first.look(), await second.look())) await setTimeout(LOOK_MS)
  for (let burst = 0; burst < 20; burst++) await site.send(KEYS, String(burst))
  await site.untilTold(site.sent)
  while (!follow(await first.look(), await second.look())) await setTimeout(LOOK_MS)
  const before = (await second.look()).restored
  await first.kill()
  await site.send(KEYS, 'after')
  await site.untilTold(site.sent)
  const look = await second.until(isAll)
  // Of 800: what the standby had not read when it was told to take over.
  assert.ok(look.restored - before < 100, `${look.restored - before} records were read`)
  assert.ok(look.rows.length === KEYS.length && look.rows.every(({ count }) => count === 21))

  await first.start()
  while (!follow(await first.look(), await second.look())) await setTimeout(LOOK_MS)
  await second.stop()
  const back = await first.until(isAll)
  assert.ok(back.rows.length === KEYS.length && back.rows.every(({ count, last }) => count === 21 && last === 'after'))
  for (const key of KEYS) {
    assert.deepEqual(
      site.told.get(key),
      Array.from({ length: 21 }, (_, i) => i + 1),
    )
  }
})

test('a reset that deletes the state leaves no rows, though the folder of the node stays', async () => {
  await using site = await Site.begin()
  const node = site.add('one', 0)
  await node.start()
  await site.send(KEYS, 'before')
  await site.untilTold(site.sent)
  await node.stop()
  assert.equal(node.stores.length, PARTITIONS)
  const reset = ['reset', site.name, '--to', 'latest', '--delete-state', '--yes']
  const { lines } = await command([...reset, '--log', `kafka://${bootstrap}`])
  const changelog = `${site.name}.count.counts.changelog`
  assert.ok(
    lines.some(line => line.changelog === changelog),
    JSON.stringify(lines),
  )
  await node.start()
  assert.deepEqual((await node.until(isAll)).rows, [])
  await site.send(KEYS.slice(0, 1), 'after')
  await site.untilTold(site.sent)
  assert.deepEqual(site.told.get(KEYS[0]!), [1, 1])
})

test('without a folder, a disk table is refused with the remedy', async () => {
  const app = countingOnDisk(`disk${randomUUID().slice(0, 8)}`, false)
  const entry = new URL('./disk-application.ts', import.meta.url)
  await assert.rejects(
    run(app, { log: kafka(bootstrap), workers: 1, http: false, signals: false, report: () => {}, entry }),
    error => {
      assert.equal((error as { code: string }).code, 'OPTION_INVALID')
      assert.match((error as Error).message, /'counts'.*state: /)
      return true
    },
  )
})
