import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { AldebaranError } from '../../errors.ts'
import { topic } from '../../pipeline/topic.ts'
import { text } from '../../schema/primitives.ts'
import { type OutboxSettings, postgresOutbox } from './outbox.ts'
import { outboxSql } from './outbox-statements.ts'

const right: OutboxSettings<string, string> = {
  url: 'postgres://u:p@127.0.0.1/d',
  table: 'outbox',
  to: topic('outbox.test', { key: text(), value: text() }),
  record: () => ({ key: null, value: '' }),
}

test('settings that cannot be right are refused by name', () => {
  const wrong: [Partial<typeof right>, RegExp][] = [
    [{ url: 'http://x' }, /^url/],
    [{ table: '' }, /^table/],
    [{ table: 'a.b.c' }, /^table/],
    [{ table: 'a"; DROP TABLE b; --' }, /^table/],
    [{ table: 'x'.repeat(60) }, /^table/],
    [{ sequence: 'a b' }, /^sequence/],
    [{ channel: 'a-b' }, /^channel/],
    [{ batch: 0 }, /^batch/],
    [{ batch: 1.5 }, /^batch/],
    [{ poll: 'soon' }, /^poll/],
  ]
  for (const [settings, message] of wrong) {
    assert.throws(
      () => postgresOutbox({ ...right, ...settings }),
      error => error instanceof AldebaranError && error.code === 'OPTION_INVALID' && message.test(error.message),
      JSON.stringify(settings),
    )
  }
  assert.equal(postgresOutbox(right).name, 'outbox')
})

test('SQL is made for a table of a schema, and for no name that could say more', () => {
  assert.match(outboxSql('app.Outbox'), /ON "app"\."Outbox" FOR EACH STATEMENT/)
  assert.match(outboxSql('app.Outbox'), /pg_notify\('Outbox', ''\)/)
  assert.throws(() => outboxSql("o'x"), /^AldebaranError: table/)
})

test('without pg the error says what to install', () => {
  const hook = `data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) => next(name === 'pg' ? 'not-installed-pg' : name, context) })`)}`
  const module = new URL('./driver.ts', import.meta.url).href
  const code = `
    const { loadPostgres } = await import('${module}')
    const error = await loadPostgres().catch(error => error)
    console.log(error.code, error.message)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', hook, '--input-type=module', '-e', code])
  assert.equal(stdout.toString(), 'PACKAGE_MISSING PostgreSQL needs pg 8: npm install pg@8\n', String(stderr))
})
