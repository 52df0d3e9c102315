import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { beginUnsynced, forgetUnused } from './unsynced-folder.ts'

const DAY_MS = 86_400_000
let folder = ''
let reports: string[] = []
const begin = (): (() => void) => beginUnsynced(folder, (level, message) => reports.push(`${level} ${message}`))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-unsynced-'))
  reports = []
})

afterEach(() => rmSync(folder, { recursive: true }))

function store(name: string, usedAgo = 0): string {
  const path = join(folder, name, '0')
  mkdirSync(path, { recursive: true })
  const used = new Date(Date.now() - usedAgo)
  for (const file of [`${path}.json`, join(path, 'store.mdb')]) {
    writeFileSync(file, 'rows')
    utimesSync(file, used, used)
  }
  return path
}

test('stores stay after the end of the process, orderly or not', () => {
  const end = begin()
  const path = store('a')
  // Another process begins: this one was killed.
  const again = begin()
  assert.ok(existsSync(path))
  end()
  assert.ok(!existsSync(join(folder, 'unsynced')))
  begin()()
  assert.ok(existsSync(path))
  again()
  assert.deepEqual(reports, [])
})

test('after the end of the machine they are deleted, unless the process had ended before', () => {
  const path = store('a')
  begin()()
  assert.ok(existsSync(path))
  begin()
  const mark = join(folder, 'unsynced')
  assert.notEqual(readFileSync(mark, 'utf8'), '')
  writeFileSync(mark, 'another start of the machine')
  begin()()
  assert.ok(!existsSync(path))
  assert.equal(reports.length, 1)
})

test('starts without a name are told apart by their time', () => {
  const path = store('a')
  writeFileSync(join(folder, 'unsynced'), 'time 1')
  begin()()
  assert.ok(!existsSync(path))
})

test('a store is deleted when it was not used for a day, and was not opened since the process began', () => {
  const paths = [store('long ago', 3 * DAY_MS), store('yesterday', DAY_MS / 2)]
  const end = begin()
  // Opened, and then not written for long.
  paths.push(store('in use'))
  forgetUnused(folder, Date.now())
  assert.deepEqual(
    paths.map(path => existsSync(path)),
    [false, true, true],
  )
  forgetUnused(folder, Date.now() + 3 * DAY_MS)
  assert.deepEqual(
    paths.map(path => existsSync(path)),
    [false, false, true],
  )
  end()
})
