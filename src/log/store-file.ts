/**
 * The folder of a store, looked at before LMDB is: it maps the file and trusts it, so a damaged one may end the process.
 *
 * Layout of an LMDB data file (`lmdb.h`, `mdb.c` of the version that `lmdb` brings): pages 0 and 1 are meta pages, of
 * which the one with the higher transaction number counts. Little-endian on the machines we run on. From the start of a
 * meta page: flags of the page @18, magic @24, version @28, page size @48, root of the free list @88, root of the data
 * @136, last page @144, transaction @152.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { AldebaranError, messageOf } from '../errors.ts'
import { findDamage } from './store-pages.ts'

const DATA_FILE = 'store.mdb'
const OURS = new Set([DATA_FILE, `${DATA_FILE}-lock`, 'lost+found'])

const META_FLAG = 0x08
const BRANCH_OR_LEAF = 0x03
const MAGIC = 0xbeefc0de
const VERSION = 2
const META_BYTES = 160
const NO_ROOT = 0xffff_ffff_ffff_ffffn
/**
 * Pages by which the file may be shorter than its last page says: LMDB does not write pages at the end that were taken
 * and freed within one transaction. Such a file is made longer; what is missing from it then is not mapped beyond its end.
 */
const UNWRITTEN_PAGES = 16
const ROOM_TO_OPEN = 1024 * 1024

/** Makes the folder if it may, checks it, and returns the data file. Throws DISK_FULL or one of the STORE_… errors. */
export function prepareStore(path: string, readOnly: boolean): string {
  const file = join(path, DATA_FILE)
  const names = listFolder(path, readOnly)
  if (!names.includes(DATA_FILE)) {
    if (readOnly) {
      throw new AldebaranError('OPTION_INVALID', `There is no store in ${path}; open it for writing first`, { path })
    }
    const foreign = names.find(name => !OURS.has(name))
    if (foreign !== undefined) {
      throw new AldebaranError('STORE_FOREIGN', `${path} holds ${foreign}, and no store`, { path, file: foreign })
    }
    checkAccess(path, constants.R_OK | constants.W_OK | constants.X_OK)
    checkRoom(path)
    return file
  }
  checkAccess(path, readOnly ? constants.R_OK | constants.X_OK : constants.R_OK | constants.W_OK | constants.X_OK)
  if (!statSync(file).isFile()) throw damaged(file, 'it is no file')
  checkAccess(file, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK)
  checkFile(file, readOnly)
  if (!names.includes(`${DATA_FILE}-lock`)) checkRoom(path)
  return file
}

function listFolder(path: string, readOnly: boolean): string[] {
  try {
    if (!readOnly) mkdirSync(path, { recursive: true })
    return readdirSync(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') {
      throw new AldebaranError('OPTION_INVALID', `There is no folder ${path}`, { path }, error)
    }
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new AldebaranError('STORE_FOREIGN', `${path} is not a folder`, { path }, error)
    }
    throw new AldebaranError('STORE_UNWRITABLE', `${path} cannot be used: ${messageOf(error)}`, { path }, error)
  }
}

function checkAccess(path: string, mode: number): void {
  try {
    accessSync(path, mode)
  } catch (error) {
    const what = (mode & constants.W_OK) === 0 ? 'read' : 'written'
    throw new AldebaranError('STORE_UNWRITABLE', `${path} cannot be ${what}: ${messageOf(error)}`, { path }, error)
  }
}

/** LMDB maps its lock file: where the disk has no room for that, the process would end. */
function checkRoom(path: string): void {
  const { bavail, bsize } = statfsSync(path)
  if (bavail * bsize >= ROOM_TO_OPEN) return
  throw new AldebaranError('DISK_FULL', `The disk of ${path} has no room to open a store`, { path })
}

function checkFile(file: string, readOnly: boolean): void {
  const descriptor = openSync(file, readOnly ? 'r' : 'r+')
  try {
    const problem = headDamage(descriptor)
    if (problem !== null) throw damaged(file, problem)
    const meta = newestMeta(descriptor)
    // After what it says: a writer makes the file longer first.
    const size = fstatSync(descriptor).size
    const damage = treeDamage(descriptor, size)
    if (damage !== null) throw damaged(file, damage)
    const expected = (Number(meta.readBigUInt64LE(144)) + 1) * meta.readUInt32LE(48)
    if (size >= expected) return
    if (size < expected - UNWRITTEN_PAGES * meta.readUInt32LE(48)) {
      throw damaged(file, `it has ${size} bytes, and should have ${expected}`)
    }
    if (!readOnly) ftruncateSync(descriptor, expected)
  } finally {
    closeSync(descriptor)
  }
}

/** Another process may be writing: what is found is true only if nothing was committed meanwhile. */
function headDamage(descriptor: number): string | null {
  for (;;) {
    const meta = fstatSync(descriptor).size < META_BYTES ? null : newestMeta(descriptor)
    // After what it says: a writer makes the file longer first.
    const { size } = fstatSync(descriptor)
    const problem = problemOf(descriptor, size)
    if (problem === null || meta === null || newestMeta(descriptor).equals(meta)) return problem
  }
}

/** What is wrong with the meta pages and the roots they name, or null. */
function problemOf(descriptor: number, size: number): string | null {
  if (size < META_BYTES) return `it has only ${size} bytes`
  const first = readPage(descriptor, 0)
  const pageBytes = first.readUInt32LE(48)
  if (first.readUInt32LE(24) !== MAGIC) return 'it does not begin like an LMDB file'
  if (pageBytes < 512 || pageBytes > 65536 || (pageBytes & (pageBytes - 1)) !== 0)
    return `its page size is ${pageBytes}`
  if (size < 2 * pageBytes) return `it has only ${size} bytes`
  for (const page of [first, readPage(descriptor, pageBytes)]) {
    if ((page.readUInt16LE(18) & META_FLAG) === 0 || page.readUInt32LE(24) !== MAGIC) return 'a meta page is damaged'
    const version = page.readUInt32LE(28) & 0xffff
    if (version !== VERSION) return `it has the format version ${version} of LMDB, and not ${VERSION}`
  }
  const meta = newestMeta(descriptor)
  for (const at of [88, 136]) {
    const root = meta.readBigUInt64LE(at)
    if (root === NO_ROOT) continue
    const start = Number(root) * pageBytes
    if (start + pageBytes > size) return `it ends before page ${root}`
    const page = readPage(descriptor, start)
    if (page.readBigUInt64LE(0) !== root || (page.readUInt16LE(18) & BRANCH_OR_LEAF) === 0)
      return `page ${root} is damaged`
  }
  return null
}

/** Another process may be writing: what is found is true only if nothing was committed meanwhile. */
function treeDamage(descriptor: number, size: number): string | null {
  for (;;) {
    const meta = newestMeta(descriptor)
    const pageBytes = meta.readUInt32LE(48)
    const pages = Math.max(Number(meta.readBigUInt64LE(144)) + 1, Math.floor(size / pageBytes))
    let problem: string | null = null
    for (const at of [88, 136]) {
      const root = meta.readBigUInt64LE(at)
      if (root !== NO_ROOT) problem ??= findDamage(descriptor, Number(root), pageBytes, pages)
    }
    if (problem === null || newestMeta(descriptor).equals(meta)) return problem
  }
}

function newestMeta(descriptor: number): Buffer {
  const first = readPage(descriptor, 0)
  const second = readPage(descriptor, first.readUInt32LE(48))
  return first.readBigUInt64LE(152) > second.readBigUInt64LE(152) ? first : second
}

function readPage(descriptor: number, start: number): Buffer {
  const page = Buffer.alloc(META_BYTES)
  readSync(descriptor, page, 0, META_BYTES, start)
  return page
}

function damaged(file: string, problem: string): AldebaranError {
  return new AldebaranError('STORE_DAMAGED', `${file} is damaged: ${problem}`, { file })
}
