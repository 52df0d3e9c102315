// @ts-check
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockedPackage
 * @typedef {{ packages?: Record<string, LockedPackage> }} Lockfile
 */

/**
 * What node_modules was installed from, and for which platform: it changes when an installation is due.
 * @param {string} root
 * @returns {string}
 */
export function installationStamp(root) {
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  return `${hash} ${process.platform}-${process.arch}\n`
}

/**
 * The first difference between what npm says it installed and package-lock.json, or null.
 * It spares people who ran `npm ci` or `npm install` themselves a second installation.
 * @param {string} root
 * @returns {string | null}
 */
export function firstDifference(root) {
  const hidden = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(hidden)) return 'node_modules was not installed by npm'
  const wanted = packagesOf(join(root, 'package-lock.json'))
  const installed = packagesOf(hidden)
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.link) continue
    const found = installed[path]
    if (!found) {
      if (!entry.optional) return `${path} is missing`
    } else if (found.version !== entry.version || found.integrity !== entry.integrity) {
      return `${path} is ${found.version}, package-lock.json says ${entry.version}`
    }
  }
  for (const path of Object.keys(installed)) {
    // The `node` package installs the binary of one platform below itself, which no lockfile knows.
    if (!wanted[path] && !path.startsWith('node_modules/node/')) return `${path} is not in package-lock.json`
  }
  return null
}

/**
 * @param {string} file
 * @returns {Record<string, LockedPackage>}
 */
function packagesOf(file) {
  /** @type {Lockfile} */
  const lockfile = JSON.parse(readFileSync(file, 'utf8'))
  return lockfile.packages ?? {}
}
