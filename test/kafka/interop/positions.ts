/** Positions of groups: what one side commits is where the other one goes on; and what tasks write, tools read. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kafka } from '../../../src/index.ts'
import type { Log } from '../../../src/log/contract.ts'
import { groupOf } from '../../../src/runtime/application.ts'
import { type Running, start } from '../../../src/runtime/start.ts'
import { base64, batchOfRecords, freshName, type Interop, NAME_VARIABLE, openHost, plain } from './interop.ts'
import { findKafkaTools, type RunTool } from './kafka-tools.ts'

const CONSUMER_GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
const STREAMS_GROUPS = 'org.apache.kafka.tools.streams.StreamsGroupCommand'
/** Of the partitions of the input; a transaction takes an offset more, for its marker. */
const ENDS = [8, 2]
const CONSOLE_CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer'

export async function describePositions({ java, bootstrap }: Interop): Promise<void> {
  const tools = await findKafkaTools()
  const withLog = async (body: (log: Log, topic: string, group: string) => Promise<void>) => {
    const host = await openHost(bootstrap)
    try {
      await body(host.client(), freshName(), freshName())
    } finally {
      await host.close()
    }
  }
  const toolTest = (name: string, body: (run: RunTool) => Promise<void>): void => {
    test(name, async t => {
      if (typeof tools === 'function') return await body(tools)
      assert.ok(!process.env.CI, tools)
      t.skip(tools)
    })
  }
  const inOrder = <T extends { topic: string; partition: number }>(positions: T[]): T[] =>
    positions.sort((a, b) => a.partition - b.partition)

  describe('positions', () => {
    for (const guarantee of ['exactly-once', 'at-least-once'] as const) {
      test(`ours are what Kafka's Admin tells, ${guarantee}`, async () => {
        const host = await openHost(bootstrap, { guarantee })
        try {
          const [log, topic, group] = [host.client(), freshName(), freshName()]
          await log.createTopic(topic, { partitions: 2 })
          const positions = [
            { group, topic, partition: 0, offset: 0, metadata: '' },
            { group, topic, partition: 1, offset: 2 ** 40, metadata: 'time=1,größe' },
          ]
          await log.commit({ positions })
          assert.deepEqual(inOrder(await java.positions(group)), positions)
          await log.commit({ positions: [{ ...positions[0]!, offset: 7 }] })
          assert.deepEqual(
            inOrder(await java.positions(group)).map(({ offset }) => offset),
            [7, 2 ** 40],
          )
        } finally {
          await host.close()
        }
      })
    }

    test("those of a unit that failed are not there for Kafka's Admin", () =>
      withLog(async (log, topic, group) => {
        await log.createTopic(topic, { partitions: 1 })
        const narrow = freshName()
        await java.createTopic(narrow, 1, { 'max.message.bytes': '500' })
        const position = { group, topic, partition: 0, offset: 1, metadata: '' }
        await log.commit({ positions: [position] })
        const append = { topic: narrow, partition: 0, batch: batchOfRecords([plain('x'.repeat(1000))]) }
        const failing = log.commit({ appends: [append], positions: [{ ...position, offset: 2 }] })
        await assert.rejects(failing, { code: 'BATCH_TOO_LARGE' })
        assert.deepEqual(await java.positions(group), [position])
        assert.deepEqual(log.position(group, topic, 0), position)
      }))

    test("those that Java's Admin and consumer commit are ours", () =>
      withLog(async (log, topic, group) => {
        await log.createTopic(topic, { partitions: 2 })
        const first = { topic, partition: 0, offset: 11, metadata: 'by Admin' }
        await java.setPositions(group, [first])
        assert.deepEqual(log.position(group, topic, 0), { group, ...first })
        assert.equal(log.position(group, topic, 1), undefined)
        const second = { topic, partition: 1, offset: 12, metadata: 'by a consumer' }
        await java.commitAsConsumer(group, [second])
        assert.deepEqual(
          inOrder(log.positions(group)),
          [first, second].map(one => ({ group, ...one })),
        )
        await log.commit({ positions: [{ group, ...first, offset: 13 }] })
        assert.deepEqual(
          inOrder(await java.positions(group)).map(({ offset }) => offset),
          [13, 12],
        )
      }))
  })

  describe('an application between Java and Java', () => {
    const name = freshName()
    const [input, output, group] = [`${name}.spoken`, `${name}.shouted`, groupOf(name, 'shout')]
    const keyed = (key: string, value: string) => ({ ...plain(value), key: base64(key) })
    const begin = async (): Promise<Running> => {
      process.env[NAME_VARIABLE] = name
      const { app } = await import('./interop-application.ts')
      const entry = new URL('./interop-application.ts', import.meta.url)
      const running = await start(app, { log: kafka(bootstrap), entry, workers: 1 })
      await running.ready()
      return running
    }
    const processed = async (running: Running, offsets: readonly number[]): Promise<void> => {
      const at = (partition: number): number => running.log.position(group, input, partition)?.offset ?? 0
      while (offsets.some((offset, partition) => at(partition) < offset)) await running.log.changed(50)
    }
    /** What the output's partitions hold, one after the other, once there is as much. */
    const shouted = async (count: number): Promise<string[]> => {
      const found: string[] = []
      while (found.length < count) {
        found.length = 0
        for (const partition of [0, 1]) {
          const { records } = await java.consume(output, partition, 'read_committed')
          found.push(...records.map(({ key, value }) => `${decode(key!)}=${decode(value!)}`))
        }
      }
      return found
    }

    test('starts where Java set its positions, and skips what Java aborted', async () => {
      await java.createTopic(input, 2)
      const producer = await java.producer(name, { 'transactional.id': name })
      const transaction = async (partition: number, records: string[], committed: boolean): Promise<void> => {
        await producer.begin()
        await producer.send(
          input,
          partition,
          records.map(value => keyed('a', value)),
        )
        await (committed ? producer.commit() : producer.abort())
      }
      await transaction(0, ['passed over', 'first', 'second'], true)
      await transaction(0, ['aborted'], false)
      await transaction(0, ['third'], true)
      await transaction(1, ['aborted, too'], false)
      await java.setPositions(group, [{ topic: input, partition: 0, offset: 1, metadata: '' }])
      const running = await begin()
      try {
        await processed(running, ENDS)
        assert.deepEqual(await shouted(3), ['a=FIRST', 'a=SECOND', 'a=THIRD'])
        const told = inOrder(await java.positions(group))
        assert.deepEqual(
          told.map(one => [one.topic, one.offset]),
          ENDS.map(end => [input, end]),
        )
      } finally {
        await running.stop()
      }
    })

    toolTest('its output is what the console consumer prints', async run => {
      const printed = await run(
        CONSOLE_CONSUMER,
        ...['--bootstrap-server', bootstrap, '--topic', output, '--from-beginning', '--max-messages', '3'],
        ...['--isolation-level', 'read_committed', '--formatter-property', 'print.key=true'],
        // Ends it when there are fewer.
        ...['--timeout-ms', '60000'],
      )
      assert.deepEqual(printed.trim().split('\n'), ['a\tFIRST', 'a\tSECOND', 'a\tTHIRD'])
    })

    toolTest(
      "Kafka's tools reset its positions, it goes on from there, and they show that it lags behind nothing",
      async run => {
        const ask = ['--bootstrap-server', bootstrap, '--group', group]
        const reset = ['--reset-offsets', '--topic', input, '--to-earliest', '--execute']
        await run(CONSUMER_GROUPS, ...ask, ...reset)
        const running = await begin()
        try {
          await processed(running, ENDS)
          const all = ['a=FIRST', 'a=SECOND', 'a=THIRD', 'a=PASSED OVER', 'a=FIRST', 'a=SECOND', 'a=THIRD']
          assert.deepEqual(await shouted(all.length), all)
          const lines = (await run(STREAMS_GROUPS, ...ask, '--describe', '--offsets')).trim().split('\n')
          const shown = lines.map(line => line.split(/\s+/)).filter(([, topic]) => topic === input)
          assert.deepEqual(shown.map(([, , partition, lag]) => [partition, lag]).sort(), [
            ['0', '0'],
            ['1', '0'],
          ])
        } finally {
          await running.stop()
        }
      },
    )
  })
}

function decode(text: string): string {
  return Buffer.from(text, 'base64').toString()
}
