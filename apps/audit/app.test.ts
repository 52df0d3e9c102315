import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive } from 'aldebaran/testing'
import { buildAudit } from './app.ts'

const DELTA_MS = 10_000

async function driven() {
  const audit = buildAudit({ ids: 'text', deltaMs: DELTA_MS, partitions: 2 })
  const driver = await drive(audit.application, { startMs: 1_000_000 })
  const tell = (json: unknown) => driver.send(audit.trades, null, json)
  const alerts = () => driver.outputs(audit.alerts).map(record => record.value)
  return { driver, tell, alerts, books: () => driver.rows('audit', 'books') }
}

const request = { id: 'order-1', '#shares': 100, client: 'ACME', stock: 'XYZ' }
const purchase = (id: string, shares: number) => ({
  id,
  initial_order_id: 'order-1',
  '#shares': shares,
  client: 'ACME',
  stock: 'XYZ',
})

test('an order bought up to its request raises no alert, one share more raises one, and more than that no other', async () => {
  const { tell, alerts } = await driven()
  tell(request)
  tell(purchase('p-1', 60))
  tell(purchase('p-2', 40))
  assert.deepEqual(alerts(), [])
  tell({ ...purchase('p-3', 1), ts: 7_000_000 })
  assert.deepEqual(alerts(), [
    {
      orderId: 'order-1',
      kind: 'OVERBOUGHT',
      requested: 100,
      purchased: 101,
      ts: 7_000_000,
      client: 'ACME',
      stock: 'XYZ',
    },
  ])
  tell(purchase('p-4', 500))
  assert.deepEqual(alerts(), [])
})

test('purchases that come before their request count', async () => {
  const { tell, alerts } = await driven()
  tell(purchase('p-1', 101))
  assert.deepEqual(alerts(), [])
  tell(request)
  assert.equal((alerts()[0] as { kind: string }).kind, 'OVERBOUGHT')
})

test('purchases without a request raise one alert after Δt, and their book is gone Δt later', async () => {
  const { driver, tell, alerts, books } = await driven()
  tell(purchase('p-1', 30))
  driver.advance(DELTA_MS - 1)
  tell(purchase('p-2', 12))
  assert.deepEqual(alerts(), [])
  driver.advance(1)
  const [alert, ...others] = alerts() as { kind: string; purchased: number }[]
  assert.deepEqual([alert?.kind, alert?.purchased, others.length], ['NO_REQUEST', 42, 0])
  tell(request)
  assert.deepEqual(alerts(), [])
  assert.equal(books().length, 1)
  driver.advance(DELTA_MS)
  assert.equal(books().length, 0)
})

test('a restart between any two messages changes nothing', async () => {
  const { driver, tell, alerts, books } = await driven()
  const steps = [() => tell(purchase('p-1', 60)), () => tell(request), () => tell(purchase('p-2', 41))]
  for (const step of steps) {
    step()
    driver.restart()
  }
  assert.equal(alerts().length, 1)
  assert.deepEqual(books()[0]?.fields.state, 'CLOSED')
  driver.advance(DELTA_MS)
  driver.restart()
  assert.deepEqual([alerts().length, books().length], [0, 0])
})

test('a message that is none is a dead letter with its reason, its place and its bytes', async () => {
  const { driver, tell, alerts } = await driven()
  tell(request)
  tell({ id: 'p-1', initial_order_id: 'order-1', '#shares': -5, client: 'ACME', stock: 'XYZ' })
  tell(purchase('p-2', 101))
  assert.equal(alerts().length, 1)
  const [letter, ...others] = driver.deadLetters()
  assert.equal(others.length, 0)
  assert.equal(letter?.code, 'VALUE_INVALID')
  assert.match(letter?.message ?? '', /#shares: expected an integer from 1/)
  assert.deepEqual([letter?.topic, letter?.offset], ['trades', 1])
  assert.equal(JSON.parse(letter?.value?.toString() ?? '')['#shares'], -5)
})
