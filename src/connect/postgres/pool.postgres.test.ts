import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeAuthority, makeCertificates } from '../../../test/servers/certificates.ts'
import { postgresDatabase, postgresServer } from '../../../test/servers/postgres.ts'
import { AldebaranError } from '../../errors.ts'
import { openPool } from './pool.ts'

const failsWith = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof AldebaranError && error.code === code && message.test(error.message)

test('statements are answered with rows, and refused ones with what PostgreSQL says', async () => {
  const database = await postgresDatabase()
  const pool = await openPool(database.url, { max: 2, applicationName: 'pool test' })
  const rows = await pool.query<{ n: number; name: string }>(
    "SELECT $1::int AS n, current_setting('application_name') AS name",
    [7],
  )
  assert.deepEqual(
    rows.map(row => ({ ...row })),
    [{ n: 7, name: 'pool test' }],
  )
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, n) => pool.query<{ n: number }>('SELECT $1::int AS n', [n])),
  )
  assert.deepEqual(
    all.map(([row]) => row!.n),
    Array.from({ length: 20 }, (_, n) => n),
  )
  await assert.rejects(pool.query('SELECT * FROM nowhere'), failsWith('POSTGRES_REFUSED', /nowhere/))
  await pool.close()
  await database.drop()
})

test('a statement that takes too long is ended, and the pool goes on', async () => {
  const database = await postgresDatabase()
  const pool = await openPool(database.url, { max: 1, statementTimeout: 500 })
  await assert.rejects(pool.query('SELECT pg_sleep(60)'), failsWith('POSTGRES_UNAVAILABLE', /statement timeout/))
  assert.equal((await pool.query('SELECT 1')).length, 1)
  await pool.close()
  await database.drop()
})

test('a server that restarts is reached again, and one that is away is told without the password', async () => {
  const server = await postgresServer()
  try {
    const pool = await openPool(server.url)
    await pool.query('SELECT 1')
    await server.kill()
    await assert.rejects(pool.query('SELECT 1'), error => {
      assert.ok(failsWith('POSTGRES_UNAVAILABLE', /^PostgreSQL at 127\.0\.0\.1:\d+\/postgres: /)(error), String(error))
      assert.ok(!JSON.stringify(error).includes(new URL(server.url).password))
      return true
    })
    await server.start()
    assert.equal((await pool.query('SELECT 1')).length, 1)
    await pool.close()
  } finally {
    await server.end()
  }
})

test('sslmode says whether a connection is encrypted, and who is believed', async () => {
  const { authority, server: tls } = makeCertificates()
  const other = makeCertificates().authority
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-authority-'))
  const server = await postgresServer({ tls })
  const encrypted = async (parameters: string) => {
    const pool = await openPool(`${server.url}?${parameters}`)
    try {
      const [row] = await pool.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
      return row!.ssl
    } finally {
      await pool.close()
    }
  }
  try {
    writeFileSync(join(folder, 'right.pem'), authority)
    writeFileSync(join(folder, 'other.pem'), other)
    const [right, wrong] = ['right', 'other'].map(name => `sslrootcert=${join(folder, name)}.pem`)
    assert.equal(await encrypted(''), false)
    assert.equal(await encrypted('sslmode=require'), true)
    assert.equal(await encrypted(`sslmode=verify-full&${right}`), true)
    assert.equal(await encrypted(`sslmode=verify-ca&${right}`), true)
    for (const mode of ['require', 'verify-ca', 'verify-full']) {
      await assert.rejects(encrypted(`sslmode=${mode}&${wrong}`), failsWith('POSTGRES_REFUSED', /certificate/), mode)
    }
    await assert.rejects(encrypted('sslmode=verify-full'), failsWith('POSTGRES_REFUSED', /certificate/))
  } finally {
    await server.end()
    rmSync(folder, { recursive: true })
  }
})

test('with verify-full a certificate must be for the host, also where that is an address', async () => {
  const authority = makeAuthority()
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-authority-'))
  const server = await postgresServer({ tls: authority.issueClient('of another') })
  try {
    writeFileSync(join(folder, 'right.pem'), authority.certificate)
    for (const [mode, isTaken] of [
      ['verify-ca', true],
      ['verify-full', false],
    ] as const) {
      const pool = await openPool(`${server.url}?sslmode=${mode}&sslrootcert=${join(folder, 'right.pem')}`)
      if (isTaken) assert.equal((await pool.query('SELECT 1')).length, 1)
      else await assert.rejects(pool.query('SELECT 1'), failsWith('POSTGRES_REFUSED', /altnames|127\.0\.0\.1/))
      await pool.close()
    }
  } finally {
    await server.end()
    rmSync(folder, { recursive: true })
  }
})

test('a server without TLS is not talked to by who asks for it', async () => {
  const database = await postgresDatabase()
  const pool = await openPool(`${database.url}?sslmode=require`)
  await assert.rejects(pool.query('SELECT 1'), failsWith('POSTGRES_REFUSED', /does not support SSL/))
  await pool.close()
  await database.drop()
})

test('settings that cannot be right are refused', async () => {
  await assert.rejects(openPool('postgres://h/d', { max: 0 }), failsWith('OPTION_INVALID', /^max/))
  await assert.rejects(openPool('redis://h'), failsWith('OPTION_INVALID', /^url/))
})
