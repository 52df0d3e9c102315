/** Events that are given more than they came with: looked up before they are signed. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Attempt, DeliveryError } from 'aldebaran'
import { verify } from 'aldebaran/webhooks/verify'
import fc from 'fast-check'
import { Enricher, type Enrichment } from './enrichment.ts'
import { LARGEST_PAYLOAD } from './event-rules.ts'
import { newKey } from './sealing.ts'
import { Customers } from './test/customers.ts'
import { WebhooksSite } from './test/site.ts'

const counted = new Map<string, number>()
const attempt = {
  count: (name: string, amount = 1) => counted.set(name, (counted.get(name) ?? 0) + amount),
  tenant: 'acme',
  timestamp: Date.UTC(2026, 0, 2),
  signal: new AbortController().signal,
} as unknown as Attempt

async function enriched(payload: string, ...enrichments: Partial<Enrichment>[]): Promise<string> {
  const usual: Enrichment = {
    key: ({ data }) => (data as { customer?: string }).customer,
    load: async keys => new Map(keys.map(key => [key, { name: `Name of ${key}` }])),
    into: 'data.more',
    wait: 0,
  }
  const enricher = new Enricher(enrichments.map(one => ({ ...usual, ...one })))
  try {
    const { body } = await enricher.enrich(enricher.of('a.b'), Buffer.from(payload), 'a.b', attempt)
    return Buffer.from(body).toString()
  } finally {
    await enricher.close()
  }
}

const rejection = (fate: string, message: RegExp) => (error: unknown) =>
  error instanceof DeliveryError && error.fate === fate && message.test(error.message)

describe('the payload', () => {
  test('gets what was looked up, and changes nowhere else: also numbers that JavaScript would write otherwise', async () => {
    const payload =
      '{"type":"a.b","data":{"customer":"c1","cents":12345678901234567890,"rate":1.0,"tiny":-0,"big":1e400}}'
    assert.equal(await enriched(payload, {}), payload.replace(/\}\}$/, ',"more":{"name":"Name of c1"}}}'))
    const inner = await enriched('{"data":{"customer":"c1"}}', { into: 'data.a.b' })
    assert.equal(inner, '{"data":{"customer":"c1","a":{"b":{"name":"Name of c1"}}}}')
  })

  test('whatever else it holds stays as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (other, value) => {
        const load: Enrichment['load'] = async keys => new Map(keys.map(key => [key, value]))
        const payload = JSON.stringify({ other, data: { customer: 'c', other } })
        const expected = JSON.stringify({ other, data: { customer: 'c', other, more: value } })
        assert.equal(await enriched(payload, { load }), expected)
      }),
      { numRuns: 100 },
    )
  })

  test('is sent as it is when there is nothing to look up, or no place for it', async () => {
    for (const payload of ['no JSON', '[1]', '{"data": {"x": 1.50}}', '{"data": {"customer": ""}}']) {
      assert.equal(await enriched(payload, {}), payload)
    }
    const flat = '{"data":{"customer":"c","a":7}}'
    assert.equal(await enriched(flat, { into: 'data.a.b' }), flat)
    await assert.rejects(enriched(flat, { into: 'data.a.b', missing: 'reject' }), rejection('reject', /no place/))
  })

  test('is bounded', async () => {
    const load: Enrichment['load'] = async () => new Map([['c', 'x'.repeat(LARGEST_PAYLOAD)]])
    await assert.rejects(
      enriched('{"data":{"customer":"c"}}', { load }),
      rejection('reject', /256\d+ bytes, and may have 256000/),
    )
  })

  test('gets several at once, each at its place', async () => {
    const keys: string[] = []
    const key: Enrichment['key'] = ({ account, type, timestamp }) => {
      keys.push(account, type, timestamp)
      return 'other'
    }
    const both = await enriched('{"data":{"customer":"c1"}}', {}, { key, into: 'data.other' })
    assert.deepEqual(JSON.parse(both).data.other, { name: 'Name of other' })
    assert.deepEqual(JSON.parse(both).data.more, { name: 'Name of c1' })
    assert.deepEqual(keys, ['acme', 'a.b', '2026-01-02T00:00:00.000Z'])
  })
})

describe('what fails', () => {
  const payload = '{"data":{"customer":"c"}}'

  test('a source that is down uses no try; what it refuses is tried by the schedule, or as it says', async () => {
    const loads: [string, Enrichment['load']][] = [
      ['throttle', () => Promise.reject(new Error('down'))],
      ['throttle', async () => [] as never],
      ['retry', async () => new Map([['c', new Error('not this one')]])],
      ['retry', async () => new Map([['c', 1n]])],
      ['retry', () => Promise.reject(new DeliveryError('retry', 'refused'))],
      ['reject', () => Promise.reject(new DeliveryError('reject', 'never'))],
      ['reject', async () => new Map([['c', new DeliveryError('reject', 'never')]])],
    ]
    for (const [fate, load] of loads) {
      await assert.rejects(
        enriched(payload, { load }),
        rejection(fate, /^not sent, without data\.more: /),
        String(load),
      )
    }
  })

  test('nothing under a key: by the settings; a key that cannot be told: given up', async () => {
    const load: Enrichment['load'] = async () => new Map()
    assert.equal(await enriched(payload, { load }), payload)
    await assert.rejects(enriched(payload, { load, missing: 'reject' }), rejection('reject', /no data\.more under 'c'/))
    const key = () => {
      throw new Error('my mistake')
    }
    await assert.rejects(enriched(payload, { key }), rejection('reject', /my mistake/))
  })

  test('how often the cache had it is counted of each try', async () => {
    const load: Enrichment['load'] = async keys => new Map(keys.map(key => [key, key]))
    const enricher = new Enricher([
      { key: () => 'same', load, into: 'data.a' },
      { key: ({ data }) => (data as { own?: string }).own, load, into: 'data.b' },
    ])
    const counts = []
    counted.clear()
    for (const own of ['"x"', '"y"', 'null']) {
      const data = Buffer.from(`{"data":{"own":${own}}}`)
      const { lookups } = await enricher.enrich(enricher.of('x'), data, 'x', attempt)
      counts.push([lookups?.hits, lookups?.misses])
    }
    assert.deepEqual(counts, [
      [0, 2],
      [1, 1],
      [1, 0],
    ])
    assert.deepEqual(Object.fromEntries(counted), { lookup_hits: 2, lookup_misses: 3 })
    const others = await enricher.enrich(enricher.of('x'), Buffer.from('no JSON'), 'x', attempt)
    assert.equal(others.lookups, null)
    await enricher.close()
  })

  test('one key that is refused fails no other of its batch', async () => {
    const asked: (readonly string[])[] = []
    const enrichment: Enrichment = {
      key: ({ data }) => String(data),
      into: 'data.x',
      load: async keys => {
        asked.push(keys)
        if (keys.includes('3')) throw new DeliveryError('retry', 'three')
        return new Map()
      },
    }
    const enricher = new Enricher([enrichment])
    const results = await Promise.allSettled(
      [1, 2, 3, 4, 5].map(n => enricher.enrich(enricher.of('x'), Buffer.from(`{"data":${n}}`), 'x', attempt)),
    )
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    )
    assert.deepEqual(asked[0], ['1', '2', '3', '4', '5'])
    assert.equal(asked[1]!.length < 5, true)
    await enricher.close()
  })

  test('mistakes in the settings are named', () => {
    const refused: [string, Partial<Enrichment>][] = [
      ['enrich.into', { into: 'type' }],
      ['enrich.into', { into: 'data' }],
      ['enrich.into', { into: 'data.__proto__.x' }],
      ['enrich.types', { types: [] }],
      ['enrich.types', { types: ['a*'] }],
      ['enrich.missing', { missing: 'keep' as 'leave' }],
      ['batch', { batch: 0 }],
    ]
    const usual: Enrichment = { key: () => 'k', load: async () => new Map(), into: 'data.x' }
    for (const [option, change] of refused) {
      assert.throws(() => new Enricher([{ ...usual, ...change }]), { details: { option } }, JSON.stringify(change))
    }
    assert.throws(() => new Enricher([usual, { ...usual, into: 'data.x.y' }]), { details: { option: 'enrich.into' } })
  })
})

describe('from end to end', () => {
  let site: WebhooksSite
  let customers: Customers
  before(async () => {
    customers = await Customers.open()
    const { url } = customers
    site = await WebhooksSite.open({
      WEBHOOKS_KEY: newKey(),
      WEBHOOKS_ENRICH: JSON.stringify([
        { types: ['invoice.*'], key: 'data.customer_id', into: 'data.customer', url, expireAfter: 0, wait: '20ms' },
        { types: ['order'], key: ['account', 'data.id'], into: 'data.order', url, missing: 'reject' },
      ]),
    })
  })
  after(async () => {
    await site.close()
    await customers.close()
    delete process.env.WEBHOOKS_ENRICH
  })

  const deadOf = async (endpoint: string) => (await site.get(`/dead-letters?destination=${endpoint}`)).body.letters

  test('the enriched payload is what is signed; others arrive as they came', async () => {
    customers.values.set('17', { name: 'Ann' })
    const { secret } = await site.endpoint('shop', '/shop')
    await site.event('shop', 'invoice.paid', { customer_id: 17 }, { timestamp: '2026-01-02T03:04:05Z' })
    await site.event('shop', 'invoiced', { customer_id: 17 }, { timestamp: '2026-01-02T03:04:05Z' })
    await site.until(() => site.receiver.to('/shop').length === 2)
    const calls = site.receiver.to('/shop')
    for (const { headers, body } of calls) verify(headers, body, secret)
    assert.deepEqual(calls.map(({ body }) => body).sort(), [
      '{"type":"invoice.paid","timestamp":"2026-01-02T03:04:05Z","data":{"customer_id":17,"customer":{"name":"Ann"}}}',
      '{"type":"invoiced","timestamp":"2026-01-02T03:04:05Z","data":{"customer_id":17}}',
    ])
  })

  test('a retry says how things are by then, under the same id', async () => {
    customers.values.set('18', 'before')
    site.receiver.answer('/later', { status: 503, headers: { 'retry-after': '1' } }, { status: 200 })
    await site.endpoint('later', '/later')
    await site.event('later', 'invoice.paid', { customer_id: '18' })
    await site.until(() => site.receiver.to('/later').length === 1)
    customers.values.set('18', 'after')
    await site.until(() => site.receiver.to('/later').length === 2)
    const calls = site.receiver.to('/later')
    assert.deepEqual(
      calls.map(({ body }) => JSON.parse(body).data.customer),
      ['before', 'after'],
    )
    assert.equal(calls[0]!.headers['webhook-id'], calls[1]!.headers['webhook-id'])
  })

  test('while the service is down nothing is sent, no try is used and no breaker opens; then everything is', async () => {
    customers.values.set('19', 'there')
    customers.status = 503
    const { id } = await site.endpoint('outage', '/outage')
    await site.event('outage', 'invoice.paid', { customer_id: '19' })
    // The schedule has three tries in all.
    await site.until(async () => {
      const { attempts } = (await site.call('GET', `/outage/endpoints/${id}/attempts`)).body
      return attempts.length >= 2
    })
    const { destinations } = (await site.get(`/deliveries/webhooks/destinations?from=${id}&limit=1`)).body
    assert.equal(destinations[0].state, 'throttled')
    assert.equal(site.receiver.to('/outage').length, 0)
    customers.status = 200
    await site.until(() => site.receiver.to('/outage').length === 1)
    const { attempts } = (await site.call('GET', `/outage/endpoints/${id}/attempts`)).body
    for (const one of attempts.slice(1)) {
      assert.deepEqual([one.outcome, one.number, one.type], ['throttle', 1, 'invoice.paid'])
      assert.match(one.error, /without data\.customer: .* answered 503/)
    }
    assert.deepEqual(await deadOf(id), [])
  })

  test('a key that the service refuses ends as a dead letter, and holds up no other', async () => {
    customers.poison = 'bad'
    customers.values.set('20', 'good')
    const { id } = await site.endpoint('poison', '/poison')
    await site.call('POST', '/poison/events', [
      { type: 'invoice.paid', data: { customer_id: 'bad' } },
      { type: 'invoice.paid', data: { customer_id: '20' } },
    ])
    await site.until(async () => (await deadOf(id)).length === 1)
    await site.until(() => site.receiver.to('/poison').length === 1)
    assert.match((await deadOf(id))[0].message, /answered 400/)
    assert.equal(JSON.parse(site.receiver.to('/poison')[0]!.body).data.customer, 'good')
  })

  test('who has to know the value gives up what has none; the account can be a part of the key', async () => {
    customers.values.set('strict/1', { lines: 2 })
    const { id } = await site.endpoint('strict', '/strict')
    await site.event('strict', 'order', { id: 1 })
    await site.event('strict', 'order', { id: 2 })
    await site.until(async () => (await deadOf(id)).length === 1)
    await site.until(() => site.receiver.to('/strict').length === 1)
    assert.deepEqual(JSON.parse(site.receiver.to('/strict')[0]!.body).data.order, { lines: 2 })
    assert.match((await deadOf(id))[0].message, /no data\.order under 'strict\/2'/)
  })
})
