/**
 * Looks at the pages of an LMDB file as the library will, but trusts nothing: the library follows page numbers and
 * lengths wherever they lead, and a wrong one ends the process.
 *
 * Layout (`mdb.c` of the version that `lmdb` brings): a page begins with its number @0, flags @18, and the length of
 * its list of nodes @20, in bytes from BASE on; the list has the place of each node, counted from BASE too. A node:
 * size of its data or page number of its child @0 (48 bits), flags @4 (a leaf's: 32 bits of size come before), size of
 * its key @6, key @8, data.
 *
 * 1. Every page is within the file, knows its own number, and is of the kind that its place in the tree asks for.
 * 2. Every node is within its page; a value with pages of its own is within the file.
 * 3. The order of keys, the values and the contents of the free list are not looked at: values have checksums of their
 *    own, and the rest costs more time than a start has.
 */
import { readSync } from 'node:fs'

const BASE = 24
const BRANCH = 0x01
const LEAF = 0x02
const KIND = 0x0f
const NODE_BYTES = 8
const BIG_DATA = 0x01
/** Page number, transaction and number of pages of a value that has pages of its own. */
const BIG_BYTES = 24
const DEEPEST = 32
/** About a quarter of a second. A store with more has its first ones looked at. */
const MOST_PAGES = 50_000

/** What is wrong with the tree below a root page, or null. `pages`: of the file. */
export function findDamage(descriptor: number, root: number, pageBytes: number, pages: number): string | null {
  const page = Buffer.alloc(pageBytes)
  const pending: [page: number, depth: number][] = [[root, 0]]
  for (let looked = 0; pending.length > 0 && looked < MOST_PAGES; looked++) {
    const [number, depth] = pending.pop()!
    if (depth > DEEPEST) return `page ${number} is below too many others`
    if (!(number >= 2 && number < pages)) return `page ${number} is not in it`
    if (readSync(descriptor, page, 0, pageBytes, number * pageBytes) < pageBytes) return `it ends in page ${number}`
    const kind = page.readUInt16LE(18) & KIND
    if (Number(page.readBigUInt64LE(0)) !== number || (kind !== BRANCH && kind !== LEAF)) {
      return `page ${number} is damaged`
    }
    const count = page.readUInt16LE(20) >> 1
    if (count === 0 || BASE + count * 2 > pageBytes) return `page ${number} has ${count} entries`
    for (let i = 0; i < count; i++) {
      const at = BASE + page.readUInt16LE(BASE + i * 2)
      if (at < BASE + count * 2 || at + NODE_BYTES > pageBytes) return `entry ${i} of page ${number} is damaged`
      const data = at + NODE_BYTES + page.readUInt16LE(at + 6)
      if (kind === BRANCH) {
        if (data > pageBytes) return `entry ${i} of page ${number} is damaged`
        pending.push([page.readUIntLE(at, 6), depth + 1])
        continue
      }
      const size = page.readUInt32LE(at)
      const isBig = (page.readUInt16LE(at + 4) & BIG_DATA) !== 0
      if (data + (isBig ? BIG_BYTES : size) > pageBytes) return `entry ${i} of page ${number} is damaged`
      if (isBig && Number(page.readBigUInt64LE(data)) + Math.ceil((size + BASE) / pageBytes) > pages) {
        return `a value of page ${number} is not in it`
      }
    }
  }
  return null
}
