// @ts-check
// npm run lockfile: adds to package-lock.json the optional packages of other platforms that npm left out.
//
// npm writes only what it could see when it installed: with node_modules already there, or behind a registry that lacks
// a package, the binaries of other platforms are missing from the lockfile, and `npm ci` then refuses it, everywhere.
// Their versions stand in the packages that want them, their platforms in their names; what has no hash here is checked
// by npm against the registry's.
import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * @typedef {object} Entry
 * @property {string} [version]
 * @property {string} [resolved]
 * @property {boolean} [dev]
 * @property {boolean} [optional]
 * @property {string[]} [os]
 * @property {string[]} [cpu]
 * @property {string[]} [libc]
 * @property {Record<string, string>} [optionalDependencies]
 * @typedef {{ packages: Record<string, Entry> }} Lockfile
 * @typedef {{ name: string, wantedBy: string, version: string, dev: boolean }} Missing
 */

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']

/**
 * The optional dependencies that the lockfile has no entry for.
 * @param {Lockfile} lockfile
 * @returns {Missing[]}
 */
export function missingOptionals({ packages }) {
  /** @type {Missing[]} */
  const missing = []
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!isReachable(packages, path, name)) missing.push({ name, wantedBy: path, version, dev: entry.dev === true })
    }
  }
  return missing
}

/**
 * @param {Lockfile} lockfile
 * @returns {Lockfile} with an entry for each missing optional package
 * @throws {Error} when a version is a range or a name does not tell its platform
 */
export function completeLockfile(lockfile) {
  const packages = { ...lockfile.packages }
  for (const { name, version, dev } of missingOptionals(lockfile)) {
    const { cpu, libc, os } = platformOf(name, version)
    // In the order npm writes them, so that it changes nothing later.
    packages[`node_modules/${name}`] = { version, cpu, ...(dev && { dev }), ...(libc && { libc }), optional: true, os }
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
  return { ...lockfile, packages: Object.fromEntries(sorted) }
}

/**
 * @param {string} name such as @scope/binding-linux-x64-musl
 * @param {string} version
 * @returns {{ cpu: string[], os: string[], libc?: string[] }}
 */
function platformOf(name, version) {
  const words = name.split(/[-/]/)
  const os = words.find(word => SYSTEMS.includes(word))
  const cpu = words.find(word => PROCESSORS.includes(word))
  if (!os || !cpu || !/^\d+\.\d+\.\d+/.test(version)) {
    throw new Error(
      `cannot tell the platform or the version of ${name}@${version}: add it to package-lock.json by hand`,
    )
  }
  const libc = words.some(word => word.startsWith('musl'))
    ? 'musl'
    : words.some(word => word.startsWith('gnu')) && 'glibc'
  return { cpu: [cpu], ...(libc && { libc: [libc] }), os: [os] }
}

/**
 * Whether a package below path would find name in one of the node_modules above it.
 * @param {Record<string, Entry>} packages
 * @param {string} path
 * @param {string} name
 */
function isReachable(packages, path, name) {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`]) return true
    if (at === '') return false
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'package-lock.json')
  /** @type {Lockfile} */
  const lockfile = JSON.parse(readFileSync(file, 'utf8'))
  const count = missingOptionals(lockfile).length
  if (count > 0) writeFileSync(file, `${JSON.stringify(completeLockfile(lockfile), null, 2)}\n`)
  process.stdout.write(`${count} packages of other platforms added to package-lock.json\n`)
}
