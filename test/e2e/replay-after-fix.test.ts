/** Records that this version cannot read are dead letters; the next version can, and replays each of them once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serve } from '../../src/http/serve.ts'
import { Producer } from '../../src/runtime/producer.ts'
import type { Running } from '../../src/runtime/start.ts'
import { readDeadLetters } from '../../src/testing/read-topic.ts'
import { inFolder, until } from './auditor.ts'
import { newPayments, startVersion } from './upgrade-application.ts'

const COUNT = 50

function isThrough({ log }: Running): boolean {
  return [0, 1].every(
    partition =>
      (log.position('payer.paying', 'payments', partition)?.offset ?? 0) === log.partition('payments', partition).end,
  )
}

test('after an upgrade of the schema dead letters are replayed, each once, however often that is asked for', async () => {
  await inFolder(async folder => {
    const old = await startVersion('1', folder)
    try {
      const producer = new Producer(old.log)
      for (let id = 0; id < COUNT; id++) producer.send(newPayments, id, { id, amount: 1.5, note: `note ${id}` })
      await producer.flush()
      await until(old.log, () => isThrough(old))
      const letters = readDeadLetters(old.log, old.application.deadLetters)
      assert.deepEqual([letters.length, new Set(letters.map(letter => letter.code)).size], [COUNT, 1])
      assert.equal(letters[0]?.code, 'VALUE_UNDECODABLE')
    } finally {
      await old.stop()
    }

    const running = await startVersion('2', folder)
    try {
      const server = await serve([running], { port: 0, tokens: [] })
      running.onStop(() => server.close())
      await running.ready()
      const post = async (body: object): Promise<{ changed: number; failed: unknown[] }> => {
        const headers = { 'content-type': 'application/json' }
        const url = `${server.url}/dead-letters/replay`
        return (await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as never
      }
      const answers = await Promise.all([
        post({ all: true }),
        post({ all: true, code: 'VALUE_UNDECODABLE' }),
        post({ offsets: [0, 1, 2] }),
        post({ all: true, topic: 'payments' }),
      ])
      const changed = answers.reduce((sum, answer) => sum + answer.changed, 0)
      assert.deepEqual([changed, answers.flatMap(answer => answer.failed)], [COUNT, []])
      await until(running.log, () => isThrough(running))
      const list = (await (await fetch(`${server.url}/dead-letters?limit=1000`)).json()) as {
        open: number
        letters: { state: string; source: { topic: string }; message: string }[]
      }
      assert.equal(list.open, 0)
      assert.deepEqual(
        list.letters.map(letter => [letter.state, letter.source.topic]),
        Array.from({ length: COUNT }, () => ['replayed', 'payments']),
      )
      const rows = (await (await fetch(`${server.url}/tables/paying/sums/rows?limit=1000`)).json()) as {
        rows: { fields: { amount: number; count: number } }[]
      }
      assert.deepEqual(
        rows.rows.map(row => row.fields),
        Array.from({ length: COUNT }, () => ({ amount: 1.5, count: 1 })),
      )
    } finally {
      await running.stop()
    }
  })
})
