// @ts-check
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Every file below the folders, as paths from the root with forward slashes, sorted.
 * @param {string} root
 * @param {string[]} folders
 * @param {(path: string) => boolean} wanted
 * @returns {string[]}
 */
export function filesBelow(root, folders, wanted) {
  /** @type {string[]} */
  const found = []
  const pending = folders.filter(folder => existsSync(join(root, folder)))
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules') pending.push(path)
      } else if (wanted(path)) found.push(path)
    }
  }
  return found.sort()
}

/**
 * The test files a command line means: those whose path contains one of the patterns, or matches it as a glob
 * (`*` within a folder, `**` over folders); all of them without a pattern.
 * @param {string[]} files
 * @param {string[]} patterns
 * @returns {string[]}
 */
export function selectFiles(files, patterns) {
  if (patterns.length === 0) return files
  const tests = patterns.map(pattern => {
    const plain = pattern.replaceAll('\\', '/').replace(/^\.\//, '')
    if (!/[*?]/.test(plain)) return (/** @type {string} */ path) => path.includes(plain)
    const source = plain
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('**/', '\u0001')
      .replaceAll('**', '\u0002')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]')
      .replaceAll('\u0001', '(?:.*/)?')
      .replaceAll('\u0002', '.*')
    const expression = new RegExp(`^${source}$`)
    return (/** @type {string} */ path) => expression.test(path)
  })
  return files.filter(file => tests.some(test => test(file)))
}
