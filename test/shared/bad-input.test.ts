/** The JSON corpus and the naughty strings through the auditor: its topics, its tables, its API. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { parseMessage } from '../../apps/audit/json.ts'
import { serve } from '../../src/http/serve.ts'
import { partitionOf } from '../../src/record/partitioner.ts'
import { Producer } from '../../src/runtime/producer.ts'
import type { Running } from '../../src/runtime/start.ts'
import { json } from '../../src/schema/json.ts'
import { readTopic } from '../../src/testing/read-topic.ts'
import { type AlertSeen, alertsOf, audit, deadLetters, inFolder, processed, withAuditor } from '../e2e/auditor.ts'

function lines(name: string): Record<string, string>[] {
  const url = new URL(`../../../shared/data/${name}`, import.meta.url)
  const text = gunzipSync(readFileSync(url)).toString()
  return text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, string>)
}

const CORPUS = lines('json-parsing.ndjson.gz').map(line => ({
  name: line.file!,
  expect: line.expect as 'y' | 'n' | 'i',
  bytes: Buffer.from(line.bytes_b64 ?? '', 'base64'),
}))
const NAUGHTY = lines('naughty-strings.ndjson.gz').map(line => Buffer.from(line.b64 ?? '', 'base64').toString())

async function withApi(work: (running: Running, url: string) => Promise<void>): Promise<void> {
  await inFolder(async folder => {
    await withAuditor(folder, async running => {
      const server = await serve([running], { port: 0, tokens: [] })
      running.onStop(() => server.close())
      await work(running, server.url)
    })
  })
}

test('each text of the JSON corpus is a dead letter of trades with its bytes, and good messages between them are processed', async () => {
  await withApi(async running => {
    const producer = new Producer(running.log)
    const key = Buffer.from('one partition')
    const partition = partitionOf(key, 0, key.length, 2)
    for (const [i, { bytes }] of CORPUS.entries()) {
      producer.sendBytes(audit.trades, key, bytes)
      producer.send(audit.trades, 'one partition', { id: `o-${i}`, '#shares': 1, client: 'c', stock: 's' })
    }
    await producer.flush()
    await processed(running)
    const letters = deadLetters(running.log)
    assert.deepEqual(
      letters.map(letter => [letter.topic, letter.partition, letter.offset, letter.value?.toString('hex')]),
      CORPUS.map(({ bytes }, i) => ['trades', partition, 2 * i, bytes.toString('hex')]),
    )
    for (const [i, { name, expect }] of CORPUS.entries()) {
      const { code, message } = letters[i]!
      if (expect !== 'i') assert.equal(code, expect === 'y' ? 'VALUE_INVALID' : 'VALUE_UNDECODABLE', name)
      assert.notEqual(message, '', name)
    }
    assert.equal(readTopic(running.log, audit.requests).length, CORPUS.length)
  })
})

test('each text of the JSON corpus as a body is taken or refused as it should be, and the API goes on', async () => {
  await withApi(async (running, url) => {
    const counts = { taken: 0, refused: 0 }
    for (const { name, expect, bytes } of CORPUS) {
      const response = await fetch(`${url}/topics/trades/records?wrap=value`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: bytes,
      })
      const answer = (await response.json()) as { accepted?: number; error?: { code: string; remedy: string } }
      if (expect === 'y') assert.deepEqual([response.status, answer.accepted], [200, 1], name)
      if (expect === 'n') assert.deepEqual([response.status, answer.error?.code], [400, 'BODY_INVALID'], name)
      assert.ok(response.status === 200 || response.status === 400, `${name}: ${response.status}`)
      counts[response.status === 200 ? 'taken' : 'refused']++
    }
    assert.ok(counts.taken >= 95 && counts.refused >= 188, JSON.stringify(counts))
    await processed(running)
    assert.equal(deadLetters(running.log).length, counts.taken)
    assert.equal((await fetch(`${url}/health`)).status, 200)
  })
})

test('naughty strings as ids, clients and stocks in trades come out as they went in, or the message is a dead letter', async () => {
  await withApi(async running => {
    const producer = new Producer(running.log)
    const messages = NAUGHTY.flatMap(text =>
      [
        { id: text, '#shares': 1, client: 'c', stock: 's' },
        { id: `c ${text}`, '#shares': 1, client: text, stock: 's' },
        { id: `s ${text}`, '#shares': 1, client: 'c', stock: text },
        { id: 'p', initial_order_id: text, '#shares': 2, client: 'c', stock: 's' },
        { id: 'p', initial_order_id: `c ${text}`, '#shares': 2, client: text, stock: 's' },
        { id: 'p', initial_order_id: `s ${text}`, '#shares': 2, client: 'c', stock: text },
        { id: 'n', '#shares': text, client: 'c', stock: 's' },
        text,
        { [text]: text },
      ].map(message => message as unknown),
    )
    const expected = { letters: [] as string[], alerts: new Map<string, string[]>() }
    for (const message of messages) {
      producer.send(audit.trades, 'one', message)
      try {
        const { kind, ...one } = parseMessage(message, 'text')
        if (kind === 'request') expected.alerts.set(one.id, [one.client, one.stock])
      } catch {
        expected.letters.push(JSON.stringify(message))
      }
    }
    await producer.flush()
    await processed(running)
    const schema = json<unknown>()
    const letters = deadLetters(running.log).filter(letter => letter.topic === 'trades')
    assert.deepEqual(
      letters.map(({ value }) => JSON.stringify(schema.decode(value!, 0, value!.length))),
      expected.letters,
    )
    const alerts = alertsOf(running.log)
    const seen = new Map(alerts.map((alert: AlertSeen) => [alert.orderId, [alert.client, alert.stock]]))
    assert.equal(seen.size, alerts.length)
    assert.ok(seen.size > 400)
    assert.deepEqual([...seen].sort(), [...expected.alerts].sort())
  })
})

test('naughty strings go through keys, rows, alerts and queries byte for byte', async () => {
  await withApi(async (running, url) => {
    const producer = new Producer(running.log)
    const texts = [...new Set(NAUGHTY)]
    for (const text of texts) {
      producer.send(audit.requests, text, { id: text, shares: 1, client: text, stock: text, ts: 1 })
      producer.send(audit.purchases, text, { id: text, orderId: text, shares: 2, stock: text, ts: 2 })
    }
    await producer.flush()
    await processed(running)
    assert.deepEqual(deadLetters(running.log), [])
    const records = readTopic(running.log, audit.alerts)
    assert.deepEqual(
      records
        .map(record => [record.key, record.value.orderId, record.value.client, record.value.stock] as string[])
        .sort(),
      texts.map(text => [text, text, text, text]).sort(),
    )
    for (const text of texts) {
      const from = `${url}/tables/audit/books/rows?limit=1&from=${encodeURIComponent(text)}`
      const { rows } = (await (await fetch(from)).json()) as { rows: { key: string; fields: { client: string } }[] }
      assert.deepEqual([rows[0]?.key, rows[0]?.fields.client], [text, text])
      // A path cannot hold nothing, and no client of HTTP sends a segment of one or two dots.
      if (['', '.', '..'].includes(text)) continue
      const row = await fetch(`${url}/tables/audit/books/rows/${encodeURIComponent(text)}`)
      assert.equal(row.status, 200, JSON.stringify(text))
      assert.equal(((await row.json()) as { key: string }).key, text)
    }
  })
})
