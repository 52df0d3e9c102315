import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { batchLength, lastOffsetOf, setBaseOffset } from '../../record/batch-header.ts'
import { BatchWriter } from '../../record/batch-writer.ts'
import { PARTITION_LEADER_EPOCH } from '../../record/layout.ts'
import { ChangelogCopy } from './changelog-copy.ts'
import { CopyFeed } from './copy-feed.ts'
import { CopyFiles } from './copy-files.ts'
import { FetchedPartition } from './fetched-partition.ts'
import { newRing, PART, RingReader } from './ring.ts'

const SEGMENT_BYTES = 2000

interface Stored {
  readonly base: number
  readonly next: number
  readonly bytes: Buffer
}

/** A partition on Kafka: committed batches, and offsets that have none. */
class Partition {
  start = 0
  end = 0
  readonly batches: Stored[] = []
  readonly #writer = new BatchWriter()

  batch(records: number): Buffer {
    this.#writer.begin()
    for (let i = 0; i < records; i++) {
      const text = Buffer.from(`${this.end}:${i}`)
      this.#writer.append(1_700_000_000_000, text, 0, text.length, text, 0, text.length)
    }
    return Buffer.from(this.#writer.finish())
  }

  /** Appends a committed batch; returns its base offset. */
  commit(batch: Buffer, records: number): number {
    const base = this.end
    const bytes = Buffer.from(batch)
    setBaseOffset(bytes, 0, base)
    this.end += records
    this.batches.push({ base, next: this.end, bytes })
    return base
  }

  /** What is committed from `from` on: some whole batches, and where they lead to. */
  read(from: number, mostBatches: number): { bytes: Buffer; next: number } {
    const there = this.batches.filter(batch => batch.next > from)
    const some = there.slice(0, mostBatches)
    const next = some.length === there.length ? this.end : some.at(-1)!.next
    return { bytes: Buffer.concat(some.map(batch => batch.bytes)), next }
  }
}

/** This node, with a client that has a task, or wants to. */
class Node {
  readonly partition = new Partition()
  copy: ChangelogCopy
  folder: string
  client: object = {}
  isOwner = false
  readonly isTransactional: boolean
  readonly root: string
  #folders = 0
  #late = (): void => {}
  failure: unknown = null

  private constructor(root: string, isTransactional: boolean) {
    this.root = root
    this.isTransactional = isTransactional
    this.folder = join(root, '0')
    mkdirSync(this.folder)
    this.copy = new ChangelogCopy(this.#files())
  }

  static async begin(isTransactional: boolean): Promise<Node> {
    return new Node(mkdtempSync(join(tmpdir(), 'aldebaran-copy-')), isTransactional)
  }

  /**
   * Reads as a replica does: from the copy where it has something, then from Kafka; to the end, or for some steps. True:
   * it got to the end. `isLate`: what it writes next is told before it is told that it reads no more.
   */
  async read(from: number, steps: number, stepBatches: number, isLate = false): Promise<boolean> {
    this.leaveLate()
    const { copy, partition } = this
    const follower = copy.follow(this.client, from, { start: partition.start, written: partition.end })
    let position = from
    if (copy.covers(from)) {
      const fed = await feed(copy, from)
      this.#check(fed.batches, from, fed.position)
      position = fed.position
    }
    for (let step = 0; step < steps && position < partition.end; step++) {
      const { bytes, next } = partition.read(position, stepBatches)
      copy.trim(partition.start)
      copy.fetched(bytes, bytes.length === 0 ? [] : [{ start: 0, end: bytes.length }], position, next)
      position = next
    }
    this.#late = () => copy.leave(follower, position)
    if (!isLate) this.leaveLate()
    return position === partition.end
  }

  leaveLate(): void {
    this.#late()
    this.#late = () => {}
  }

  /** A clean end, or as after kill -9 and worse: what was not written is gone, and `harm` does what it likes. */
  async restart(harm: ((folder: string) => void) | null): Promise<void> {
    this.leaveLate()
    this.isOwner = false
    this.client = {}
    const before = this.copy
    if (harm === null) await before.files.close()
    const next = join(this.root, String(++this.#folders))
    cpSync(this.folder, next, { recursive: true })
    await before.files.remove()
    this.folder = next
    harm?.(next)
    const files = this.#files()
    await files.open()
    this.copy = new ChangelogCopy(files)
    if (harm === null && before.end > this.partition.start) {
      const last = this.partition.batches.findLast(batch => batch.next <= before.end)
      if (last !== undefined && last.base >= (before.files.start ?? 0)) assert.equal(this.copy.end, last.next)
    }
  }

  /** The copy has just what is committed between its start and its end. */
  async verify(): Promise<void> {
    const { copy } = this
    if (copy.end < 0) return
    const from = Math.max(copy.files.start!, this.partition.start)
    if (!copy.covers(from)) return
    await copy.files.close()
    const end = copy.end
    const fed = await feed(copy, from)
    this.#check(fed.batches, from, fed.position)
    const last = this.partition.batches.findLast(batch => batch.next <= copy.end && batch.next > from)
    assert.equal(fed.position, last?.next ?? from, 'all of it can be read')
    assert.ok(copy.end <= end)
  }

  #check(found: readonly Buffer[], from: number, to: number): void {
    const wanted = this.partition.batches.filter(batch => batch.next > from && batch.next <= to)
    assert.deepEqual(
      found.map(plain),
      wanted.map(batch => plain(batch.bytes)),
      `from ${from} to ${to}`,
    )
  }

  #files(): CopyFiles {
    return new CopyFiles(this.folder, error => (this.failure = error), SEGMENT_BYTES)
  }

  async end(): Promise<void> {
    await this.copy.files.remove()
    rmSync(this.root, { recursive: true, force: true })
    assert.equal(this.failure, null)
  }
}

/** Without what a copy may set. */
function plain(batch: Buffer): string {
  const bytes = Buffer.from(batch)
  bytes.fill(0, PARTITION_LEADER_EPOCH, PARTITION_LEADER_EPOCH + 4)
  return bytes.toString('latin1')
}

/** Everything that the copy gives from an offset on, and where it hands over to Kafka. */
async function feed(copy: ChangelogCopy, from: number): Promise<{ batches: Buffer[]; position: number }> {
  const ring = newRing()
  const reader = new RingReader(ring)
  const partition = new FetchedPartition('a.changelog', 0, from, ring)
  const frames: Buffer[] = []
  const take = (): void => {
    while (reader.peek()) {
      assert.notEqual(reader.kind, PART)
      const bytes = Buffer.alloc(reader.length)
      reader.take(bytes, 0)
      frames.push(bytes)
    }
  }
  await new Promise<void>(resolve => new CopyFeed(copy, partition, take, resolve).run())
  take()
  const bytes = Buffer.concat(frames)
  const batches: Buffer[] = []
  for (let at = 0; at < bytes.length; at += batchLength(bytes, at)) {
    batches.push(bytes.subarray(at, at + batchLength(bytes, at)))
  }
  const last = batches.at(-1)
  assert.equal(partition.position, last === undefined ? from : lastOffsetOf(last, 0) + 1)
  return { batches, position: partition.position }
}

type Step =
  | { kind: 'take'; share: number; batches: number; isLate: boolean }
  | { kind: 'follow'; share: number; steps: number; batches: number }
  | { kind: 'lose' }
  | { kind: 'write'; records: number; markers: number; outcome: 'told' | 'unplaced' | 'unknown' | 'aborted' }
  | { kind: 'other'; records: number; isCommitted: boolean }
  | { kind: 'trim'; share: number; isTold: boolean }
  | { kind: 'flush' }
  | { kind: 'restart' }
  | { kind: 'crash'; harm: 'none' | 'torn' | 'shortened' | 'flipped' | 'zeroed' | 'lost'; segment: number; at: number }
  | { kind: 'verify' }

const share = fc.integer({ min: 0, max: 100 }).map(percent => percent / 100)
const records = fc.integer({ min: 1, max: 12 })
const batches = fc.integer({ min: 1, max: 6 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('take'), share, batches, isLate: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('follow'), share, steps: fc.nat(3), batches }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose') }) },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant('write'),
      records,
      markers: fc.nat(3),
      outcome: fc.oneof(
        { weight: 20, arbitrary: fc.constant('told') },
        { weight: 1, arbitrary: fc.constantFrom('unplaced', 'unknown', 'aborted') },
      ),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('other'), records, isCommitted: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('trim'), share, isTold: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('flush') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash'),
      harm: fc.constantFrom('none', 'torn', 'shortened', 'flipped', 'zeroed', 'lost'),
      segment: fc.nat(5),
      at: fc.nat(2000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('verify') }) },
) as fc.Arbitrary<Step>

async function run(node: Node, step: Step): Promise<void> {
  const { partition } = node
  const offset = (part: number): number => {
    const wanted = Math.floor(partition.start + (partition.end - partition.start) * part)
    return partition.batches.find(batch => batch.next > wanted && batch.base >= partition.start)?.base ?? partition.end
  }
  switch (step.kind) {
    case 'take':
      // Mostly from the start, as one who has nothing; at times from where one who followed had come to.
      node.isOwner = await node.read(
        step.share < 0.7 ? partition.start : offset(step.share),
        Infinity,
        step.batches,
        step.isLate,
      )
      return
    case 'follow':
      if (!node.isOwner) await node.read(offset(step.share), step.steps, step.batches)
      return
    case 'lose':
      node.isOwner = false
      return
    case 'write': {
      if (!node.isOwner) return
      const batch = partition.batch(step.records)
      if (step.outcome === 'aborted') partition.end += step.records
      else {
        const base = partition.commit(batch, step.records)
        if (step.outcome === 'unknown') {
          node.copy.failed()
          node.isOwner = false
        } else node.copy.wrote(node.client, batch, step.outcome === 'told' ? base : -1, node.isTransactional)
      }
      node.leaveLate()
      if (node.isTransactional) partition.end += step.markers
      return
    }
    case 'other': {
      // A unit of one who lost the task fails; without transactions its batches are there nevertheless.
      const batch = partition.batch(step.records)
      if (step.isCommitted && !(node.isOwner && node.isTransactional)) partition.commit(batch, step.records)
      else partition.end += step.records
      partition.end++
      return
    }
    case 'trim':
      partition.start = Math.max(partition.start, Math.floor(partition.end * step.share))
      if (step.isTold) node.copy.trim(partition.start)
      return
    case 'flush':
      return node.copy.files.flush()
    case 'restart':
      return await node.restart(null)
    case 'crash':
      return await node.restart(folder => harm(folder, step))
    case 'verify':
      return await node.verify()
  }
}

function harm(folder: string, { harm, segment, at }: Extract<Step, { kind: 'crash' }>): void {
  const files = readdirSync(folder)
  const file = files[segment % Math.max(1, files.length)]
  if (file === undefined || harm === 'none') return
  const path = join(folder, file)
  const bytes = readFileSync(path)
  const where = Math.min(at, bytes.length)
  if (harm === 'lost') rmSync(path)
  else if (harm === 'torn') truncateSync(path, where)
  else if (harm === 'shortened') {
    let end = 0
    while (end < where) end += batchLength(bytes, end)
    truncateSync(path, end)
  } else {
    if (harm === 'zeroed') bytes.fill(0, where)
    else if (where < bytes.length) bytes[where]! ^= 1 << (at % 8)
    writeFileSync(path, bytes)
  }
}

for (const isTransactional of [true, false]) {
  const guarantee = isTransactional ? 'with transactions' : 'without transactions'
  test(`a copy is what was committed between its start and its end, whatever happens, ${guarantee}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), async steps => {
        const node = await Node.begin(isTransactional)
        try {
          for (const one of steps) await run(node, one)
          await node.verify()
        } finally {
          await node.end()
        }
      }),
      { numRuns: 300 },
    )
  })
}
