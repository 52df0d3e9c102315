import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import fc from 'fast-check'
import { Agent, request } from 'undici'
import { partitionOf } from '../src/record/partitioner.ts'
import { neighbours } from './webhooks-backlog.ts'
import { FAULTS } from './webhooks-faults.ts'
import { faultOf } from './webhooks-hour.ts'
import { accountFor, Histogram, NumberSet } from './webhooks-ledger.ts'
import { sharedNow } from './webhooks-process.ts'
import { groupIn } from './webhooks-quota.ts'
import { WebhookReceiver } from './webhooks-receiver.ts'
import { trendOf, type Usage } from './webhooks-usage.ts'

test('a percentile is never below the time of its rank, and a 64th above it at most', () => {
  const times = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(times, fc.double({ min: 0.001, max: 1, noNaN: true }), (all, share) => {
      const histogram = new Histogram()
      for (const ms of all) histogram.add(ms)
      const sorted = all.toSorted((a, b) => a - b)
      const exact = sorted[Math.max(0, Math.ceil(share * all.length) - 1)]!
      const told = histogram.percentile(share)
      assert.ok(told >= exact - 0.0006, `${told} of ${exact}`)
      assert.ok(told <= exact * (1 + 1 / 64) + 0.001, `${told} of ${exact}`)
      assert.equal(histogram.max, sorted.at(-1))
    }),
  )
})

test('histograms of several endpoints add up to that of all of them', () => {
  const [one, other, all] = [new Histogram(), new Histogram(), new Histogram()]
  for (let i = 0; i < 1000; i++) {
    const into = i % 3 === 0 ? one : other
    into.add(i / 7)
    all.add(i / 7)
  }
  one.merge(other)
  assert.deepEqual({ ...one }, { ...all })
  one.clear()
  assert.deepEqual({ ...one }, { ...new Histogram() })
  assert.equal(one.percentile(0.99), 0)
})

test('a set of numbers knows each number once, also after it was sent elsewhere as bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5000)), fc.nat(5000), (numbers, asked) => {
      const set = new NumberSet()
      const known = new Set<number>()
      for (const number of numbers) {
        assert.equal(set.add(number), !known.has(number))
        known.add(number)
      }
      const copy = new NumberSet(set.bits)
      assert.equal(copy.size, known.size)
      assert.equal(copy.has(asked), known.has(asked))
    }),
  )
})

test('every event that was meant is delivered or dead, or it is told what became of it', () => {
  const [delivered, dead] = [new Set([0, 2, 5]), new Set([2, 3])]
  const account = accountFor(
    6,
    number => number !== 5,
    number => delivered.has(number),
    number => dead.has(number),
  )
  assert.deepEqual(account, {
    meant: 5,
    delivered: 2,
    dead: 2,
    missing: 2,
    both: 1,
    unexpected: 1,
    samples: ['missing 1', 'both 2', 'missing 4', 'unexpected 5'],
  })
})

test('memory that grows has a slope, and memory that is flat after its start has none', () => {
  const samples = (of: (i: number) => number): Usage[] =>
    Array.from({ length: 60 }, (_, i) => ({ at: i, cpuSeconds: 0, rssMb: of(i), anonMb: 0 }))
  const grows = trendOf(
    samples(i => 100 + i),
    'rssMb',
  )
  assert.equal(Math.round(grows.slopePerMinute), 60)
  assert.deepEqual([grows.first, grows.last, grows.max], [109.5, 149.5, 159])
  const flat = trendOf(
    samples(i => Math.min(200, i * 20)),
    'rssMb',
  )
  assert.equal(flat.slopePerMinute, 0)
})

test('the shares of bad endpoints are kept, and spread over the tenants', () => {
  const shares = { failing: 0.05, hanging: 0.02, dead: 0.01 }
  const faults = Array.from({ length: 1000 }, (_, number) => faultOf(number, 1000, shares))
  const count = (fault: string): number => faults.filter(one => one === fault).length
  assert.deepEqual([count('fail'), count('hang'), count('refuse'), count('fast')], [50, 20, 10, 920])
  const tenants = new Set(faults.flatMap((fault, number) => (fault === 'fast' ? [] : [number % 100])))
  assert.equal(tenants.size > 40, true)
})

test('one neighbour has the partition of the account, the other one has not', () => {
  for (const partitions of [1, 4, 16]) {
    const of = (name: string): number => partitionOf(Buffer.from(name), 0, name.length, partitions)
    const [near, far] = neighbours('backlog0', partitions)
    assert.equal(of(`${near}0`), of('backlog0'))
    assert.equal(of(`${far}0`) === of('backlog0'), partitions === 1)
    assert.notEqual(near, far)
  }
})

test('the control group of CPU time is found in what Linux tells of both versions', () => {
  const hybrid = '9:name=systemd:/\n4:memory:/jobs/1\n2:cpu,cpuacct:/jobs\n0::/unified'
  assert.equal(groupIn(hybrid, 'v1'), '/jobs')
  assert.equal(groupIn(hybrid, 'v2'), '/unified')
  assert.equal(groupIn('0::/user.slice\n', 'v1'), null)
  assert.equal(groupIn('3:cpuset:/\n', 'v1'), null)
})

test('a receiver counts what it took and what came twice, and by its own clock how late it was', async () => {
  const receiver = await WebhookReceiver.open({ port: 0, deadPort: 0, stride: 10, faults: ['fast', 'fail'] })
  const agent = new Agent()
  const post = async (path: string, number: number): Promise<number> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${receiver.port}${path}`, {
      method: 'POST',
      headers: { 'webhook-id': `e_${number}` },
      body: JSON.stringify({ data: { at: sharedNow() } }),
      dispatcher: agent,
    })
    await body.dump()
    return statusCode
  }
  try {
    assert.equal(await post('/fast/a', 30), 200)
    assert.equal(await post('/fast/a', 40), 200)
    assert.equal(await post('/fast/a', 30), 200)
    assert.equal(await post('/fast/b', 30), 200)
    assert.equal(await post('/fail/a', 30), 500)
    assert.equal(await post('/gone/a', 30), 404)
    const told = receiver.report(true).map(({ path, requests, taken, duplicates, bits, times }) => {
      const set = new NumberSet(bits)
      return { path, requests, taken, duplicates, third: set.has(3), fifth: set.has(5), times: times.count }
    })
    assert.deepEqual(told, [
      { path: '/fast/a', requests: 3, taken: 3, duplicates: 1, third: true, fifth: false, times: 2 },
      { path: '/fast/b', requests: 1, taken: 1, duplicates: 0, third: true, fifth: false, times: 1 },
      { path: '/fail/a', requests: 1, taken: 0, duplicates: 0, third: false, fifth: false, times: 0 },
    ])
    assert.deepEqual([receiver.taken, receiver.takenAt('/fast/a'), receiver.takenAt('/none')], [4, 3, 0])
    const again = receiver.report(false).map(({ times }) => times.count)
    assert.deepEqual(again, [0, 0, 0])
  } finally {
    await agent.close()
    await receiver.close()
  }
})

test('its dead port refuses connections until it is revived', async () => {
  const receiver = await WebhookReceiver.open({ port: 0, deadPort: 0, stride: 1, faults: ['fast'] })
  const agent = new Agent()
  const url = `http://127.0.0.1:${receiver.deadPort}/fast`
  try {
    await assert.rejects(request(url, { dispatcher: agent }), { code: 'ECONNREFUSED' })
    await receiver.revive()
    const { statusCode, body } = await request(url, { dispatcher: agent })
    await body.dump()
    assert.equal(statusCode, 200)
  } finally {
    await agent.close()
    await receiver.close()
  }
})

test('each kind of bad receiver ends its events as documented, and redirects are not followed', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), 'webhooks', '--mode', 'faults'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const results: Record<string, unknown>[] = []
  for await (const line of createInterface({ input: child.stdout })) results.push(JSON.parse(line))
  assert.deepEqual(await exited, [0, null])
  const faults = results.slice(0, -1)
  const names = [...Object.keys(FAULTS).filter(name => name !== 'redirected'), 'refuse']
  assert.deepEqual(
    faults.map(({ fault, missing, duplicates, right }) => ({ fault, missing, duplicates, right })),
    names.map(fault => ({ fault, missing: 0, duplicates: 0, right: true })),
  )
  const { redirects_followed, addresses_refused, addresses, right } = results.at(-1)!
  assert.deepEqual(
    { redirects_followed, addresses_refused, right },
    { redirects_followed: 0, addresses_refused: addresses, right: true },
  )
})

test('without a mode that there is, nothing is started', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), 'webhooks', '--mode=day'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(child, 'exit')
  let told = ''
  for await (const chunk of child.stderr) told += String(chunk)
  assert.match(told, /--mode is one of rate, faults, hour, quarter, backlog, not day/)
  assert.deepEqual(await exited, [2, null])
})
