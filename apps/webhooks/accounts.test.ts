import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AldebaranError } from 'aldebaran'
import {
  type Account,
  applyChange,
  type Change,
  disableByItself,
  type Endpoint,
  MOST_ENDPOINTS,
  newAccount,
} from './accounts.ts'
import { SubscriptionCache, Subscriptions } from './subscriptions.ts'

function endpoint(id: string, more: Partial<Endpoint> = {}): Endpoint {
  return {
    id,
    url: 'https://example.com/',
    description: '',
    types: ['*'],
    status: 'enabled',
    reason: '',
    statusAt: 100,
    rate: '',
    concurrency: 0,
    headers: '',
    headerNames: [],
    secrets: [{ id: 's1', sealed: 'one', createdAt: 100, until: 0 }],
    createdAt: 100,
    updatedAt: 100,
    ...more,
  }
}

function accountOf(...endpoints: Endpoint[]): Account {
  return { ...newAccount('acme'), endpoints }
}

const refused = (code: string) => (error: unknown) => error instanceof AldebaranError && error.code === code

test('each change does what it says, and tells its offset', () => {
  const changes: Change[] = [
    { change: 'create', endpoint: endpoint('a') },
    { change: 'create', endpoint: endpoint('b') },
    { change: 'update', id: 'a', at: 200, fields: { url: 'https://example.org/', rate: '1/s' } },
    { change: 'disable', id: 'b', at: 300, reason: 'why not' },
    { change: 'delete', id: 'a' },
    { change: 'event-types', eventTypes: [{ name: 'x', description: '' }] },
  ]
  const steps: Account[] = []
  changes.reduce((account, change, offset) => {
    const changed = applyChange(account, change, offset + 7)
    steps.push(changed)
    return changed
  }, newAccount('acme'))
  assert.deepEqual(
    steps.map(({ change }) => change),
    [7, 8, 9, 10, 11, 12],
  )
  assert.deepEqual(steps[2]!.endpoints[0], endpoint('a', { url: 'https://example.org/', rate: '1/s', updatedAt: 200 }))
  assert.deepEqual(steps[3]!.endpoints[1], endpoint('b', { status: 'disabled', reason: 'why not', statusAt: 300 }))
  assert.deepEqual(
    steps[4]!.endpoints.map(({ id }) => id),
    ['b'],
  )
  assert.deepEqual(steps[5]!.eventTypes, [{ name: 'x', description: '' }])
  assert.equal(applyChange(steps[3]!, { change: 'enable', id: 'b', at: 400 }, 13).endpoints[1]!.reason, '')
})

test('a secret that was replaced signs on to its end, and is then forgotten', () => {
  const rotate = (account: Account, id: string, at: number, until: number) =>
    applyChange(
      account,
      { change: 'rotate', id: 'a', at, until, secret: { id, sealed: id, createdAt: at, until: 0 } },
      1,
    )
  const secretsOf = (account: Account) => account.endpoints[0]!.secrets.map(({ id, until }) => [id, until])
  const once = rotate(accountOf(endpoint('a')), 's2', 200, 500)
  assert.deepEqual(secretsOf(once), [
    ['s2', 0],
    ['s1', 500],
  ])
  const twice = rotate(once, 's3', 300, 900)
  assert.deepEqual(secretsOf(twice), [
    ['s3', 0],
    ['s2', 900],
    ['s1', 500],
  ])
  assert.deepEqual(secretsOf(rotate(twice, 's4', 500, 900)), [
    ['s4', 0],
    ['s3', 900],
    ['s2', 900],
  ])
  let account = accountOf(endpoint('a'))
  for (let n = 0; n < 4; n++) account = rotate(account, `r${n}`, 200, 900)
  assert.throws(() => rotate(account, 'r5', 200, 900), refused('VALUE_INVALID'))
})

test('what cannot be done is refused', () => {
  const full = accountOf(...Array.from({ length: MOST_ENDPOINTS }, (_, n) => endpoint(`e${n}`)))
  assert.throws(() => applyChange(full, { change: 'create', endpoint: endpoint('more') }, 1), refused('VALUE_INVALID'))
  const one = accountOf(endpoint('a'))
  assert.throws(() => applyChange(one, { change: 'create', endpoint: endpoint('a') }, 1), refused('VALUE_INVALID'))
  assert.throws(() => applyChange(one, { change: 'delete', id: 'b' }, 1), refused('NOT_FOUND'))
  assert.throws(() => applyChange(one, { change: 'nothing' } as unknown as Change, 1), refused('VALUE_INVALID'))
  const large = accountOf(endpoint('a', { description: 'x'.repeat(2_000_000) }))
  assert.throws(() => applyChange(large, { change: 'enable', id: 'a', at: 1 }, 1), refused('VALUE_INVALID'))
})

test('an endpoint disables itself, unless it is gone or its owner enabled it since', () => {
  const account = accountOf(endpoint('a', { statusAt: 500 }))
  assert.equal(disableByItself(account, 'a', 'gone', 600)!.endpoints[0]!.status, 'disabled')
  assert.equal(disableByItself(account, 'a', 'gone', 400), null)
  assert.equal(disableByItself(account, 'b', 'gone', 600), null)
  assert.equal(disableByItself(accountOf(endpoint('a', { status: 'disabled' })), 'a', 'gone', 600), null)
})

test('an event goes to the enabled endpoints whose filters it passes, to each once', () => {
  const subscriptions = new Subscriptions(
    accountOf(
      endpoint('all'),
      endpoint('exact', { types: ['a.b', 'a.c'] }),
      endpoint('below', { types: ['a.*', 'a.b', 'a.b.*'] }),
      endpoint('disabled', { status: 'disabled' }),
    ),
  )
  for (const [type, ids] of [
    ['a.b', ['all', 'exact', 'below']],
    ['a.b.c', ['all', 'below']],
    ['a', ['all']],
    ['ab', ['all']],
    ['a.c', ['all', 'exact', 'below']],
  ] as const) {
    assert.deepEqual([...subscriptions.of(type)].sort(), [...ids].sort(), type)
    assert.equal(subscriptions.of(type), subscriptions.of(type))
  }
  assert.equal(subscriptions.endpoint('disabled')?.id, 'disabled')
})

test('the filters of an account are compiled once', () => {
  const cache = new SubscriptionCache()
  const account = accountOf(endpoint('a'))
  assert.equal(cache.of(account), cache.of(account))
  assert.notEqual(cache.of(account), cache.of({ ...account }))
})
