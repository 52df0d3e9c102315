import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Forecast } from '../schemas.ts'
import { Account } from './account.ts'

const MINUTE = 60_000
const NOON = Date.UTC(2024, 6, 1, 12)

function forecast(city: string, minute: number, readings: number, timing: Forecast['timing'] = 'onTime'): Forecast {
  const windowStart = NOON + minute * MINUTE
  const means = { heatIndex: null, rollingHeatIndex: null, temperature: null, humidity: null }
  return { city, windowStart, windowEnd: windowStart + MINUTE, ...means, readings, timing }
}

/** Readings 0 to 5 of two cities, all in the minute from noon. */
function accountOfSix(): Account {
  const account = new Account('load-x-', 2, NOON)
  account.acknowledge(
    0,
    Float64Array.from({ length: 6 }, (_, i) => NOON + i),
  )
  return account
}

test('it is settled when all that was acknowledged is told of', () => {
  const account = accountOfSix()
  assert.equal(account.isSettled, false)
  assert.equal(account.outcome.missing, 6)
  assert.equal(account.forecast(forecast('load-x-0', 0, 3)), true)
  assert.equal(account.isSettled, false)
  account.forecast(forecast('load-x-1', 0, 3))
  assert.equal(account.isSettled, true)
  assert.deepEqual(account.outcome, { told: 6, late: 0, deadLetters: 0, missing: 0, doubled: 0 })
})

test('what one city lost is not made up for by what another got twice', () => {
  const account = accountOfSix()
  account.forecast(forecast('load-x-0', 0, 2))
  account.forecast(forecast('load-x-1', 0, 4))
  assert.deepEqual(account.outcome, { told: 6, late: 0, deadLetters: 0, missing: 1, doubled: 1 })
})

test('late readings and dead letters are told of', () => {
  const account = accountOfSix()
  account.forecast(forecast('load-x-0', 0, 2))
  account.late('load-x-0')
  for (let i = 0; i < 3; i++) account.deadLetter('load-x-1')
  assert.equal(account.isSettled, true)
  assert.deepEqual(account.outcome, { told: 2, late: 1, deadLetters: 3, missing: 0, doubled: 0 })
})

test('a window that is told again counts as it was told last, and one that ends twice is doubled', () => {
  const account = accountOfSix()
  account.forecast(forecast('load-x-0', 0, 1, 'early'))
  assert.equal(account.outcome.told, 0)
  account.forecast(forecast('load-x-0', 0, 2))
  account.forecast(forecast('load-x-0', 0, 3, 'late'))
  account.forecast(forecast('load-x-1', 0, 3))
  assert.deepEqual(account.outcome, { told: 6, late: 0, deadLetters: 0, missing: 0, doubled: 0 })
  account.forecast(forecast('load-x-0', 0, 3))
  assert.equal(account.outcome.doubled, 3)
})

test('a window that has not ended may still tell of a reading twice', () => {
  const account = new Account('load-x-', 1, NOON)
  account.acknowledge(0, Float64Array.of(NOON, NOON + MINUTE))
  account.forecast(forecast('load-x-0', 0, 2))
  assert.equal(account.outcome.missing, 0)
  assert.equal(account.isSettled, false)
  account.forecast(forecast('load-x-0', 1, 1))
  assert.equal(account.isSettled, true)
  assert.equal(account.outcome.doubled, 1)
})

test('what is in doubt may be told of and need not', () => {
  for (const readings of [3, 4]) {
    const account = accountOfSix()
    account.doubt(6, 1)
    account.forecast(forecast('load-x-0', 0, readings))
    account.forecast(forecast('load-x-1', 0, 3))
    assert.equal(account.isSettled, true)
    assert.deepEqual([account.outcome.missing, account.outcome.doubled], [0, 0])
  }
})

test('what others sent is not of this run', () => {
  const account = accountOfSix()
  const { news } = account
  for (const id of ['2643743', 'load-y-0', 'load-x-2', 'load-x-1.5', 'load-x--1']) {
    assert.equal(account.forecast(forecast(id, 0, 1)), false)
    account.late(id)
    account.deadLetter(id)
  }
  account.deadLetter(null)
  assert.equal(account.news, news)
  assert.equal(account.outcome.missing, 6)
})
