/**
 * A folder of files that are not synced while they are written. The end of the process loses nothing of them, the end of
 * the machine leaves anything: so a mark says since which start of the machine they may not be on the disk.
 *
 * 1. The mark is on the disk before anything is written, and goes when everything is synced.
 * 2. What has the mark of another start of the machine is deleted: it cannot be told from what it should be.
 * 3. The mark is made when the process begins to use the folder: what was not opened since is not in use. Partitions move
 *    away, and their rows would stay on the disk for ever.
 */
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { dirname, join } from 'node:path'
import { LOOK_MS, UNUSED_MS } from '../../log/kafka/copy-expiry.ts'
import type { Report } from '../worker-host.ts'

const MARK = 'unsynced'
/** Starts of a machine that names none are told apart by their time; its clock may be corrected meanwhile, ms. */
const SAME_START_MS = 120_000

/** Call it before anything in the folder is opened, and what it answers when everything is closed. */
export function beginUnsynced(folder: string, report: Report): () => void {
  const mark = join(folder, MARK)
  const start = machineStart()
  const before = textOf(mark)
  if (before !== '' && !isSameStart(before, start)) {
    const names = readdirSync(folder).filter(name => name !== MARK)
    for (const name of names) rmSync(join(folder, name), { recursive: true, force: true })
    if (names.length > 0) {
      report('warn', 'this machine stopped while disk tables were written: they are read from their changelogs', {
        folder,
      })
    }
  }
  writeFileSync(mark, start, { flush: true })
  sync(folder)
  const looks = setInterval(() => forgetUnused(folder, Date.now()), LOOK_MS).unref()
  return () => {
    clearInterval(looks)
    end(folder)
  }
}

function end(folder: string): void {
  try {
    for (const file of filesIn(folder)) sync(file)
    rmSync(join(folder, MARK), { force: true })
    sync(folder)
  } catch {
    // The mark stays, or the folder is gone: both are safe.
  }
}

/** Deletes the stores that were not opened since the mark was made, nor shortly before. Never fails. */
export function forgetUnused(folder: string, now: number): void {
  try {
    const since = statSync(join(folder, MARK)).mtimeMs
    for (const file of filesIn(folder)) {
      const store = dirname(file)
      const times = [file, `${store}.json`].map(path => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
      const used = Math.max(...times)
      if (used >= since || now - used < UNUSED_MS) continue
      rmSync(`${store}.json`, { force: true })
      rmSync(store, { recursive: true, force: true })
    }
  } catch {
    // The next look may do it.
  }
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.mdb'))
    .map(entry => join(entry.parentPath, entry.name))
}

function machineStart(): string {
  const name = textOf('/proc/sys/kernel/random/boot_id')
  return name === '' ? `time ${Math.round(Date.now() - uptime() * 1000)}` : name
}

function isSameStart(some: string, other: string): boolean {
  if (some === other) return true
  const times = [some, other].map(text => (text.startsWith('time ') ? Number(text.slice(5)) : Number.NaN))
  return Math.abs(times[0]! - times[1]!) < SAME_START_MS
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}
