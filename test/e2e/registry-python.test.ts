/** The registry as Confluent's client for Python sees it. It is installed for the test, in a folder that goes with it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { avro, schemaRegistry, t } from '../../src/index.ts'
import { ByteWriter } from '../../src/schema/byte-writer.ts'
import { TestSite } from './http-site.ts'

const TOKEN = 'a-token-of-enough-characters'
const CLIENT = 'confluent-kafka[schemaregistry,avro]'
const PROGRAM = join(import.meta.dirname, 'programs', 'registry_client.py')

/** What the command printed; null: it could not be run, or failed. */
async function run(command: string, args: string[]): Promise<{ output: string; failure: string | null }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const failure = await new Promise<string | null>(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('close', code => resolve(code === 0 ? null : `${command} ended with ${code}: ${errors.slice(-2000)}`))
  })
  return { output, failure }
}

/** The Python of a new environment with the client in it, or why there is none. */
async function install(folder: string): Promise<{ python: string; missing: string | null }> {
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const made = await run('python3', ['-m', 'venv', folder])
  if (made.failure !== null) return { python, missing: `python3 with venv is missing: ${made.failure}` }
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', CLIENT]
  const installed = await run(python, args)
  return { python, missing: installed.failure === null ? null : `${CLIENT} cannot be had: ${installed.failure}` }
}

test("Confluent's client for Python registers, compares and deletes, and we read each other's bytes", async context => {
  const folder = await mkdtemp(join(tmpdir(), 'aldebaran-python-'))
  const site = await TestSite.open({ tokens: [TOKEN] })
  try {
    const { python, missing } = await install(folder)
    if (missing !== null) {
      assert.equal(process.env.CI, undefined, missing)
      context.skip(missing)
      return
    }
    const url = `${site.url}/registry`
    const registry = schemaRegistry({ url, auth: { token: TOKEN } })
    const order = registry.avro(avro('Order', { id: t.long, note: t.optional(t.string) }), { topic: 'bytes' })
    await order.ready()
    const out = new ByteWriter(64)
    order.encode({ id: 7, note: 'ours' }, out)
    const bytes = out.bytes.toString('hex', 0, out.position)
    const { output, failure } = await run(python, [PROGRAM, JSON.stringify({ url, token: TOKEN, bytes })])
    assert.equal(failure, null)
    const told = JSON.parse(output) as Record<string, unknown>

    assert.equal(told.again, told.id)
    assert.deepEqual(told.schema, { type: 'record', name: 'One', fields: [{ name: 'id', type: 'long' }] })
    assert.equal(told.lookup, 1)
    assert.equal(told.compatible, false)
    assert.deepEqual(told.refused, [409, 409])
    assert.deepEqual(told.versions, [1, 2])
    assert.equal(told.latest, 2)
    assert.equal(told.level, 'NONE')
    assert.deepEqual(told.subjects, ['bytes-value', 'py-value'])
    assert.deepEqual(told.deleted, [1, [2]])
    assert.deepEqual(told.read, { id: 7, note: 'ours' })
    const theirs = Buffer.from(String(told.bytes), 'hex')
    await order.ready()
    assert.deepEqual({ ...order.decode(theirs, 0, theirs.length) }, { id: 2 ** 40, note: 'grüße' })
    registry.close()
  } finally {
    await site.close()
    await rm(folder, { recursive: true })
  }
})
