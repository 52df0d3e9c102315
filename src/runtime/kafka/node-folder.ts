/**
 * The folder of a node: its name, which stays the same over restarts, and its copies of changelogs. One process has it at
 * a time.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AldebaranError } from '../../errors.ts'

export interface NodeFolder {
  readonly name: string
  /** Where copies of changelogs lie. */
  readonly copies: string
  release(): void
}

/** @throws AldebaranError STORE_LOCKED, STORE_UNWRITABLE */
export function openNodeFolder(path: string): NodeFolder {
  const copies = join(path, 'copies')
  const lock = join(path, 'lock')
  try {
    mkdirSync(copies, { recursive: true })
  } catch (error) {
    throw new AldebaranError('STORE_UNWRITABLE', `${path} cannot be made`, { path }, error)
  }
  takeLock(lock, path)
  return { name: nameIn(join(path, 'node')), copies, release: () => rmSync(lock, { force: true }) }
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
