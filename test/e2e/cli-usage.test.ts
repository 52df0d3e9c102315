/** How the command line is asked, and how it says no: no process needs to run. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { aldebaran } from './command-here.ts'

describe('the command line', () => {
  test('without a command, help is shown and the exit code is that of a wrong usage', async () => {
    const { code, out } = await aldebaran([])
    assert.equal(code, 2)
    assert.match(out, /Usage: aldebaran/)
  })

  test('--help names every command, and loads none', async () => {
    const { code, out } = await aldebaran(['--help'])
    assert.equal(code, 0)
    for (const name of [
      'up',
      'run',
      'topics',
      'tail',
      'produce',
      'lag',
      'table',
      'dlq',
      'cluster',
      'reset',
      'mirror',
      'audit',
      'doctor',
    ]) {
      assert.match(out, new RegExp(`^  ${name} `, 'm'))
    }
  })

  test('the help of a command has its options, whichever way it is asked for', async () => {
    for (const args of [
      ['help', 'tail'],
      ['tail', '--help'],
      ['--url', 'http://x', 'tail', '-h'],
    ]) {
      const { code, out } = await aldebaran(args)
      assert.equal(code, 0, args.join(' '))
      assert.match(out, /--follow/, args.join(' '))
    }
  })

  test('a misspelled command is told the nearest one', async () => {
    const { code, err, out } = await aldebaran(['topcis'])
    assert.equal(code, 2)
    assert.equal(out, '')
    assert.match(err, /unknown command 'topcis' \(Did you mean topics\?\)\n.*\(USAGE\)\n$/)
  })

  test('--version is that of the package', async () => {
    const { code, out } = await aldebaran(['--version'])
    assert.equal(code, 0)
    assert.match(out, /^\d+\.\d+\.\d+\n$/)
  })

  test('an error is one line, a remedy and a code; JSON with --json; a stack with --verbose alone', async () => {
    const url = ['--url', 'http://127.0.0.1:9']
    const told = await aldebaran([...url, 'lag'])
    assert.equal(told.code, 1)
    assert.match(told.err, /^aldebaran: nothing answers at .*\n {2}Start it .*\(SERVER_UNREACHABLE\)\n$/)
    const json = await aldebaran([...url, 'lag', '--json'])
    assert.equal(JSON.parse(json.err).error.code, 'SERVER_UNREACHABLE')
    const verbose = await aldebaran([...url, '--verbose', 'lag'])
    assert.match(verbose.err, /\n {4}at /)
  })

  test('wrong options are refused before anything is asked', async () => {
    for (const args of [
      ['tail', 'alerts', '--limit', '0'],
      ['up', '--port', '70000'],
      ['up', '--durability', 'paper'],
      ['dlq', 'replay'],
      ['dlq', 'replay', '1', '--all'],
      ['dlq', 'purge', '1', '--code', 'X'],
      ['dlq', 'show', 'x'],
      ['produce', 'trades', 'what.bin'],
      ['lag', '--url', 'ftp://x'],
    ]) {
      const { code, err } = await aldebaran(args)
      assert.equal(code, 2, args.join(' '))
      assert.match(err, /\(USAGE\)/)
    }
  })

  test('a module that is not there is told as such', async () => {
    const { code, err } = await aldebaran(['run', './no-such-module.ts'])
    assert.equal(code, 1)
    assert.match(err, /there is no module .*no-such-module\.ts\n.*\(NOT_FOUND\)/)
  })
})
