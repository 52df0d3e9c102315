/** Stores that cannot be used, as the auditor meets them at its start or while it runs: an error with code, place and remedy. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AldebaranError, ERROR_CODES, type ErrorCode } from '../../src/errors.ts'
import { storeFile } from '../../src/log/host.ts'
import { FORMAT_KEY, topicKey } from '../../src/log/keys.ts'
import type { LmdbStore } from '../../src/log/lmdb-store.ts'
import { batchOf, withCode } from '../contract/log-data.ts'
import { alertsOf, appendOrders, IDS, inFolder, processed, startAuditor, withAuditor } from './auditor.ts'
import { fillClosed, inStore } from './spoil-store.ts'

async function refusal(folder: string): Promise<AldebaranError> {
  const running = await startAuditor(folder).catch((error: unknown) => error)
  if (running instanceof AldebaranError) return running
  if (!(running instanceof Error)) await (running as { stop(): Promise<void> }).stop()
  return assert.fail(`it started, or failed otherwise: ${running}`)
}

const refusals: [what: string, code: ErrorCode, spoil: (folder: string) => void | Promise<void>][] = [
  ['that is no folder', 'STORE_FOREIGN', replaceByFile],
  ['that holds other things', 'STORE_FOREIGN', folder => writeFileSync(join(folder, 'thesis.doc'), 'mine')],
  [
    'of another program',
    'STORE_FOREIGN',
    folder => inStore(folder, store => store.write(Buffer.from('a'), FORMAT_KEY)),
  ],
  ['of a newer version', 'STORE_NEWER', spoilt(store => store.write(FORMAT_KEY, Buffer.from('{"format":99}')))],
  ['with an unreadable format', 'STORE_DAMAGED', spoilt(store => store.write(FORMAT_KEY, Buffer.from('{"for')))],
  ['with an unreadable topic', 'STORE_DAMAGED', spoilt(store => store.write(topicKey('trades'), Buffer.from('{')))],
  ['cut to nothing', 'STORE_DAMAGED', damagedFile(file => truncateSync(file, 0))],
  ['cut in the middle', 'STORE_DAMAGED', damagedFile(file => truncateSync(file, statSync(file).size >> 1))],
  ['of zeros', 'STORE_DAMAGED', damagedFile(file => writeFileSync(file, Buffer.alloc(statSync(file).size)))],
  ['of text', 'STORE_DAMAGED', damagedFile(file => writeFileSync(file, 'no store at all\n'.repeat(9999)))],
  ['with garbage at its start', 'STORE_DAMAGED', damagedFile(file => fillFile(file, 0, 100))],
  ['that is a folder', 'STORE_DAMAGED', damagedFile(replaceByFolder)],
]

function spoilt(spoil: (store: LmdbStore) => void): (folder: string) => Promise<void> {
  return async folder => {
    await fillClosed(folder, IDS)
    await inStore(folder, spoil)
  }
}

function damagedFile(damage: (file: string) => void): (folder: string) => Promise<void> {
  return async folder => {
    await fillClosed(folder, IDS)
    damage(storeFile(folder))
  }
}

function replaceByFile(folder: string): void {
  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'a file')
}

function replaceByFolder(file: string): void {
  rmSync(file)
  mkdirSync(file)
}

function fillFile(file: string, start: number, end: number): void {
  writeFileSync(file, readFileSync(file).fill(0x5a, start, end))
}

for (const [what, code, spoil] of refusals) {
  test(`a store ${what} is refused at the start with ${code}, its place and a remedy`, async () => {
    await inFolder(async folder => {
      await spoil(folder)
      const error = await refusal(folder)
      assert.equal(error.code, code, error.message)
      assert.equal(error.remedy, ERROR_CODES[code][1])
      if (code !== 'STORE_NEWER') assert.ok(error.message.includes(folder), error.message)
    })
  })
}

/** Tries to start the auditor in a process of its own, and returns the code it is refused with. */
const STARTER = `
  const { startAuditor } = await import(${JSON.stringify(new URL('./auditor.ts', import.meta.url).href)})
  const error = await startAuditor(process.env.FOLDER).then(running => running.stop(), error => error)
  console.log(JSON.stringify({ code: error?.code ?? null, message: error?.message ?? '' }))`

test('a folder and a file that may not be written are refused with STORE_UNWRITABLE', async () => {
  await inFolder(async folder => {
    await fillClosed(folder, [])
    const identity = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    chmodSync(storeFile(folder), 0o444)
    chmodSync(folder, 0o555)
    try {
      const child = spawnSync(process.execPath, ['--input-type=module', '-e', STARTER], {
        encoding: 'utf8',
        env: { ...process.env, FOLDER: folder },
        ...identity,
      })
      const { code, message } = JSON.parse(child.stdout || '{}') as { code: string; message: string }
      assert.equal(code, 'STORE_UNWRITABLE', child.stderr)
      assert.ok(message.includes(folder), message)
    } finally {
      chmodSync(folder, 0o755)
    }
  })
})

test('a second process is refused with STORE_LOCKED, names the owner, and does no harm', async () => {
  await inFolder(async folder => {
    await withAuditor(folder, async running => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', STARTER], {
        env: { ...process.env, FOLDER: folder },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let text = ''
      child.stdout.on('data', (data: Buffer) => {
        text += data.toString()
      })
      await new Promise(resolve => child.once('close', resolve))
      const { code, message } = JSON.parse(text) as { code: string; message: string }
      assert.equal(code, 'STORE_LOCKED')
      assert.match(message, new RegExp(`process ${process.pid} `))
      await appendOrders(running.log, IDS)
      await processed(running)
      assert.equal(alertsOf(running.log).length, IDS.length)
    })
  })
})

for (const [what, remove] of [
  ['removed', (file: string) => rmSync(file)],
  ['moved away', (file: string) => renameSync(file, `${file}.old`)],
  [
    'replaced',
    (file: string) => {
      const bytes = readFileSync(file)
      rmSync(file)
      writeFileSync(file, bytes)
    },
  ],
] as const) {
  test(`a data file that is ${what} while it is in use ends the application with STORE_DAMAGED, and does not hang it`, async () => {
    await inFolder(async folder => {
      const running = await startAuditor(folder)
      try {
        await running.ready()
        remove(storeFile(folder))
        const failure = await running.failed
        assert.equal(failure.code, 'STORE_DAMAGED')
        assert.match(failure.message, /removed or replaced/)
        assert.equal(running.health().problems[0]?.code, 'STORE_DAMAGED')
        const late = running.log.commit({ appends: [{ topic: 'trades', partition: 0, batch: batchOf(['{}']) }] })
        await assert.rejects(late, withCode('LOG_STOPPED'))
      } finally {
        await running.stop()
      }
    })
  })
}

/** Opens the store in a process of its own, and reads and writes what it can. */
const READER = `
  const { startAuditor } = await import(${JSON.stringify(new URL('./auditor.ts', import.meta.url).href)})
  try {
    const running = await startAuditor(process.env.FOLDER)
    await running.ready()
    await running.stop()
    console.log('opened')
  } catch (error) {
    console.log(error.code)
  }`

test('pages that were overwritten are refused or told of when they are read, and never end the process', async () => {
  await inFolder(async folder => {
    await fillClosed(folder, IDS)
    const file = storeFile(folder)
    const whole = readFileSync(file)
    const pages = whole.length / 4096
    const seen = new Set<string>()
    for (let round = 0; round < 10; round++) {
      const bytes = Buffer.from(whole)
      const at = (2 + ((round * 7) % (pages - 2))) * 4096
      if (round % 2 === 0) bytes.fill(round * 25, at, at + 4096)
      else for (let i = 0; i < 8; i++) bytes[at + 18 + i * 3] = (round * 89 + i * 57) & 255
      rmSync(`${file}-lock`, { force: true })
      writeFileSync(file, bytes)
      const env = { ...process.env, FOLDER: folder }
      const child = spawnSync(process.execPath, ['--input-type=module', '-e', READER], { encoding: 'utf8', env })
      assert.deepEqual([child.signal, child.status], [null, 0], child.stderr)
      assert.match(child.stdout, /^(?:opened|STORE_DAMAGED)$/m)
      seen.add(child.stdout.trim())
    }
    assert.ok(seen.has('STORE_DAMAGED'))
  })
})
