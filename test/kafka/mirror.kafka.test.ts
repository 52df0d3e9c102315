import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { openToolLog, type ToolLog } from '../../src/cli/log-option.ts'
import { pollSoon } from '../../src/http/poll-soon.ts'
import type { Append, Log } from '../../src/log/contract.ts'
import { BatchCursor } from '../../src/record/batch-cursor.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { embedded, kafka, type LogLocation } from '../../src/runtime/log-location.ts'
import { kafkaBroker } from '../servers/kafka.ts'
import { command, ended, spawnCommand } from './command-line.ts'

const { bootstrap } = await kafkaBroker()
const PARTITIONS = 3
const KILLS = 3
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

interface Copy {
  key: string
  value: string | null
  timestamp: number
  headers: string
  compression: string
  /** Of its batch. */
  records: number
}

/** Writes on until it is told that it is enough. */
async function fill(log: Log, topic: string, isEnough: () => boolean): Promise<void> {
  const writers = CODECS.map(compression => new BatchWriter({ compression }))
  let appends: Append[] = []
  for (let number = 0; !isEnough() || appends.length > 0; number++) {
    const writer = writers[number % CODECS.length]!
    writer.begin()
    for (let record = 0; record <= number % 4; record++) {
      const key = Buffer.from(`${number}/${record}`)
      const value = number % 7 === 0 ? null : Buffer.from(`${'text that can be compressed '.repeat(20)}${number}`)
      const headers = [{ key: 'number', value: Buffer.from(String(number)) }]
      const end = value === null ? -1 : value.length
      writer.append(1_700_000_000_000 + number, key, 0, key.length, value, value === null ? -1 : 0, end, headers)
    }
    appends.push({ topic, partition: number % PARTITIONS, batch: Buffer.from(writer.finish()) })
    // Units of many sizes, so that transactions leave gaps anywhere.
    if (appends.length <= number % 60) continue
    await log.commit({ appends })
    appends = []
    await setTimeout(1)
  }
}

async function readAll(log: Log, topic: string): Promise<Copy[][]> {
  const ranges = (await log.partitionsOf([topic])).get(topic) ?? []
  return await Promise.all(
    ranges.map(async ({ end }, partition) => {
      const copies: Copy[] = []
      const reader = await log.openReader(topic, partition, 'earliest')
      const cursor = new BatchCursor()
      while (await pollSoon(reader, end, 1 << 20)) {
        cursor.reset(reader.chunk, 0, reader.size)
        while (cursor.nextBatch()) {
          const { compression, count } = cursor
          while (cursor.next()) {
            const { bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp } = cursor
            copies.push({
              key: bytes.toString('utf8', keyStart, keyEnd),
              value: valueStart < 0 ? null : bytes.toString('utf8', valueStart, valueEnd),
              timestamp,
              headers: JSON.stringify(cursor.headers().map(({ key, value }) => [key, Buffer.from(value!).toString()])),
              compression,
              records: count,
            })
          }
        }
      }
      reader.close()
      return copies
    }),
  )
}

async function withLog<T>(location: LogLocation, readOnly: boolean, work: (tool: ToolLog) => Promise<T>): Promise<T> {
  const tool = await openToolLog(location, readOnly)
  try {
    return await work(tool)
  } finally {
    await tool.close()
  }
}

describe('mirror, killed with -9 in the middle', () => {
  let folder = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'aldebaran-mirror-'))
  })

  after(() => rm(folder, { recursive: true }))

  const cases: { name: string; from: () => string; to: () => string }[] = [
    { name: 'from Kafka to a folder', from: () => `kafka://${bootstrap}`, to: () => join(folder, 'copy') },
    { name: 'from a folder to Kafka', from: () => join(folder, 'original'), to: () => `kafka://${bootstrap}` },
  ]
  const locationOf = (text: string): LogLocation => (text.startsWith('kafka') ? kafka(text) : embedded(text))

  for (const { name, from, to } of cases) {
    test(`${name}: every record once, in its order, with its batch as it was`, async () => {
      const topic = `mirror-${randomUUID().slice(0, 8)}`
      const mirrorName = randomUUID().slice(0, 8)
      const args = ['mirror', '--from', from(), '--to', to(), '--topics', topic, '--name', mirrorName]
      const group = `mirror.${mirrorName}`
      const original = await withLog(locationOf(from()), false, async ({ log }) => {
        await log.createTopic(topic, {
          partitions: PARTITIONS,
          key: { format: 'text', definition: null },
          retentionMs: 1e12,
        })
        let kills = 0
        const filling = fill(log, topic, () => kills === KILLS)
        // What fails first is told; the log is closed under this one then.
        filling.catch(() => {})
        for (let seen = 0; kills < KILLS; kills++) {
          const child = spawnCommand([...args, '--follow'])
          let said = ''
          child.stderr!.on('data', chunk => {
            said += String(chunk)
          })
          seen = await growth(locationOf(to()), group, seen, () => child.exitCode === null)
          await ended(child, 'SIGKILL')
          assert.equal(child.signalCode, 'SIGKILL', `it was copying when it was killed: ${said}`)
        }
        await filling
        return await readAll(log, topic)
      })
      const { code, err } = await command(args)
      assert.equal(code, 0, err)
      const again = await command(args)
      assert.equal(again.lines[0]!.records, 0, 'there is nothing more to copy')

      const copy = await withLog(locationOf(to()), true, ({ log }) => readAll(log, topic))
      assert.equal(copy.length, PARTITIONS)
      for (const [partition, records] of copy.entries()) assert.deepEqual(records, original[partition])
    })
  }

  /** Resolves when more is committed in the target than `before`, or the process has ended. */
  async function growth(target: LogLocation, group: string, before: number, runs: () => boolean): Promise<number> {
    while (runs()) {
      try {
        return await withLog(target, true, async ({ log }) => {
          for (;;) {
            const sum = (await log.positionsOf([group])).reduce((total, { offset }) => total + offset, 0)
            if (sum > before || !runs()) return sum
            await setTimeout(2)
          }
        })
      } catch {
        // The folder is not made yet.
        await setTimeout(2)
      }
    }
    return before
  }
})
