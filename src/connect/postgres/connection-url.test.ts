import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AldebaranError } from '../../errors.ts'
import { parsePostgresUrl } from './connection-url.ts'
import { postgresError } from './postgres-error.ts'

test('an address is taken apart, and told without its user and password', () => {
  const address = parsePostgresUrl('postgres://us%40er:p%2Fss%3Aword@db.example:6543/shop')
  const { host, port, user, password, database, ssl, label } = address
  assert.deepEqual(
    { host, port, user, password, database, ssl },
    {
      host: 'db.example',
      port: 6543,
      user: 'us@er',
      password: 'p/ss:word',
      database: 'shop',
      ssl: false,
    },
  )
  assert.equal(label, 'db.example:6543/shop')
  assert.equal(parsePostgresUrl('postgresql://[::1]/a').host, '::1')
  assert.equal(parsePostgresUrl('postgres:///shop?host=/run/postgresql').host, '/run/postgresql')
  assert.equal(parsePostgresUrl('postgres://').host, undefined)
})

test('sslmode means what it means to the programs of PostgreSQL', () => {
  const sslOf = (mode: string) => parsePostgresUrl(`postgres://h/d?sslmode=${mode}`).ssl
  assert.equal(sslOf('disable'), false)
  const [required, chain, full] = [sslOf('require'), sslOf('verify-ca'), sslOf('verify-full')]
  assert.ok(required !== false && required.rejectUnauthorized === false)
  assert.ok(chain !== false && chain.rejectUnauthorized === true && chain.checkServerIdentity !== undefined)
  assert.ok(full !== false && full.rejectUnauthorized === true && full.checkServerIdentity === undefined)
})

test('what is wrong with an address is told, without the address', () => {
  const wrong: [string, RegExp][] = [
    ['no address', /^url: is no address/],
    ['mysql://u:secret@h/d', /^url: is no address/],
    ['postgres://u:secret@h:99999/d', /^url: is no address/],
    ['postgres://u:secret%zz@h/d', /^url: has a %/],
    ['postgres://u:secret@h/d?sslmode=prefer', /^url: has sslmode 'prefer'/],
    ['postgres://u:secret@h/d?sslmode=require&sslrootcert=/no/such', /^url: names a file with sslrootcert/],
    ['postgres://u:secret@h/d?target=any', /^url: has the parameter 'target'/],
  ]
  for (const [url, message] of wrong) {
    assert.throws(
      () => parsePostgresUrl(url),
      error => {
        assert.ok(error instanceof AldebaranError)
        assert.equal(error.code, 'OPTION_INVALID')
        assert.match(error.message, message)
        assert.doesNotMatch(JSON.stringify(error) + String(error.stack), /secret/)
        return true
      },
    )
  }
})

test('errors are told apart by whether they may pass, and hold no password', () => {
  const address = parsePostgresUrl('postgres://u:secret@h/d')
  const codeOf = (error: unknown) => postgresError(error, address).code
  const state = (code: string) => Object.assign(new Error('of PostgreSQL'), { code })
  for (const code of ['57P01', '57P03', '08006', '53300', '40P01', '55P03', '57014', '25006', '25P03']) {
    assert.equal(codeOf(state(code)), 'POSTGRES_UNAVAILABLE', code)
  }
  for (const code of ['28P01', '28000', '3D000', '42P01', '42703', '42501', '23505']) {
    assert.equal(codeOf(state(code)), 'POSTGRES_REFUSED', code)
  }
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND']) {
    assert.equal(codeOf(state(code)), 'POSTGRES_UNAVAILABLE', code)
  }
  assert.equal(codeOf(new Error('The server does not support SSL connections')), 'POSTGRES_REFUSED')
  assert.equal(codeOf(state('DEPTH_ZERO_SELF_SIGNED_CERT')), 'POSTGRES_REFUSED')
  const several = new AggregateError([new Error('connect ECONNREFUSED ::1'), new Error('other')])
  assert.equal(postgresError(several, address).message, 'PostgreSQL at h/d: connect ECONNREFUSED ::1')
  assert.equal(postgresError(new Error('got secret'), address).message, 'PostgreSQL at h/d: got …')
  const ours = new AldebaranError('LOG_CLOSED', 'closed')
  assert.equal(postgresError(ours, address), ours)
})
