/** `run` in a program of a user: its own main module, which the worker threads load too. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'

const SCRIPT = new URL('./programs/script.ts', import.meta.url).pathname
const MAIN_THREAD_ONLY = new URL('./programs/main-thread-only.ts', import.meta.url).pathname
const APPLICATION = new URL('../crash/programs/mortal-application.ts', import.meta.url).pathname
const LIBRARY = new URL('../../src/index.ts', import.meta.url).href

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'aldebaran-script-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Outcome {
  code: number | null
  out: string[]
  errors: string
}

/** Runs Node with these arguments; `heard` is told of the output so far whenever there is more. */
async function node(args: string[], heard?: (out: string, child: ChildProcess) => void): Promise<Outcome> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let errors = ''
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString()
    heard?.(out, child)
  })
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString()
  })
  try {
    const code = await new Promise<number | null>(resolve => child.once('close', resolve))
    return { code, out: out.trim().split('\n').sort(), errors }
  } finally {
    child.kill('SIGKILL')
  }
}

/** Asks the program to end when it has printed all these lines. */
function endAfter(...lines: string[]): (out: string, child: ChildProcess) => void {
  return (out, child) => {
    if (lines.every(line => out.includes(line)) && !child.killed) child.kill('SIGTERM')
  }
}

const HANDLED = ['handled a', 'handled d']

describe('a program that calls run', () => {
  it('goes on when the script has ended, prints what handlers print, and ends with SIGTERM', async () => {
    const { code, out, errors } = await node([SCRIPT, folder, 'waits'], endAfter(...HANDLED, 'script ends'))
    assert.deepEqual([code, errors], [0, ''])
    assert.deepEqual(out, [...HANDLED, 'runs in 2 workers', 'script ends'])
  })

  it('ends when it has stopped the application', async () => {
    const { code, out, errors } = await node([SCRIPT, folder, 'stops'])
    assert.deepEqual([code, errors], [0, ''])
    assert.deepEqual(out, [...HANDLED, 'runs in 2 workers', 'script ends'])
  })

  it('may call it in a function that it does not wait for', async () => {
    const { code, out, errors } = await node([SCRIPT, folder, 'does not wait'], endAfter(...HANDLED, 'script ends'))
    assert.deepEqual([code, errors], [0, ''])
    assert.deepEqual(out, [...HANDLED, 'runs in 2 workers', 'script ends'])
  })

  it('ends with code 0 also while it writes', async () => {
    const { code, errors } = await node([SCRIPT, folder, 'writes for ever'], endAfter('writes', 'handled more'))
    assert.deepEqual([code, errors], [0, ''])
  })

  it('may be an argument of Node when it names the module for the workers', async () => {
    const program = evaluated(`entry: ${JSON.stringify(APPLICATION)},`)
    const { code, out, errors } = await node(['--input-type=module', '-e', program])
    assert.deepEqual([code, out, errors], [0, ['ready'], ''])
  })

  it('is told when it is an argument of Node and names none', async () => {
    const { code, errors } = await node(['--input-type=module', '-e', evaluated('')])
    assert.equal(code, 1)
    assert.match(errors, /OPTION_INVALID/)
    assert.match(errors, /entry: the main module is no file/)
  })

  it('is told when its workers cannot load it, and ends', async () => {
    const { code, errors } = await node([MAIN_THREAD_ONLY, folder])
    assert.equal(code, 1)
    assert.match(errors, /worker threads cannot use file:.*main-thread-only\.ts as the entry: made for the main thread/)
  })
})

function evaluated(entry: string): string {
  return `
    const { embedded, run } = await import(${JSON.stringify(LIBRARY)})
    const { mortal } = await import(${JSON.stringify(APPLICATION)})
    const log = embedded(${JSON.stringify(folder)}, { durability: 'process' })
    const running = await run(mortal, { log, workers: 2, http: false, logLevel: 'warn', ${entry} })
    console.log('ready')
    await running.stop()`
}
