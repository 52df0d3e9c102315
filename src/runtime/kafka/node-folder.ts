/**
 * The folder of a node: its name, which stays the same over restarts, its copies of changelogs, and its disk tables. One
 * process has it at a time.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AldebaranError } from '../../errors.ts'
import type { Report } from '../worker-host.ts'
import { beginUnsynced } from './unsynced-folder.ts'

export interface NodeFolder {
  readonly name: string
  /** Where copies of changelogs lie. */
  readonly copies: string
  /** Where disk tables lie. */
  readonly tables: string
  release(): void
}

/** @throws AldebaranError STORE_LOCKED, STORE_UNWRITABLE */
export function openNodeFolder(path: string, report: Report = () => {}): NodeFolder {
  const copies = join(path, 'copies')
  const tables = join(path, 'tables')
  const lock = join(path, 'lock')
  try {
    mkdirSync(copies, { recursive: true })
    mkdirSync(tables, { recursive: true })
  } catch (error) {
    throw new AldebaranError('STORE_UNWRITABLE', `${path} cannot be made`, { path }, error)
  }
  takeLock(lock, path)
  let synced: () => void
  try {
    synced = beginUnsynced(tables, report)
  } catch (error) {
    rmSync(lock, { force: true })
    throw new AldebaranError('STORE_UNWRITABLE', `${tables} cannot be used`, { path }, error)
  }
  const release = (): void => {
    synced()
    rmSync(lock, { force: true })
  }
  return { name: nameIn(join(path, 'node')), copies, tables, release }
}

function takeLock(lock: string, path: string): void {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new AldebaranError('STORE_UNWRITABLE', `${lock} cannot be written`, { path }, error)
      }
      const owner = Number(read(lock))
      if (owner !== process.pid && isAlive(owner)) {
        throw new AldebaranError('STORE_LOCKED', `process ${owner} uses ${path}`, { path, pid: owner })
      }
      // Whoever had it ended without giving it back.
      rmSync(lock, { force: true })
    }
  }
}

function nameIn(file: string): string {
  const known = read(file).trim()
  if (known !== '') return known
  const name = randomUUID().slice(0, 8)
  writeFileSync(file, `${name}\n`)
  return name
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
