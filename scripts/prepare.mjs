// @ts-check
// Makes a fresh clone ready to run, and finds the Node that runs it. Needs Node 20 or newer, npm and nothing else.
//
// 1. When nothing is to do it prints nothing and starts no process.
// 2. Everything it prints goes to stderr: stdout belongs to the command that is run afterwards.
// 3. The stamp is written last: an interrupted installation is done again.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { firstDifference, installationStamp } from './lockfile.mjs'
import { installPinnedNode, pinnedNode, versionOf } from './pinned-node.mjs'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const STAMP = join(ROOT, 'node_modules', '.aldebaran-install')
const LOCK = join(ROOT, '.cache', 'install.lock')
const LOCK_WAIT_MS = 600_000
const NATIVE_MODULES = ['lmdb', '@node-rs/crc32', 'snappy', 'lz4-napi']

/** A failure told to the user as it is, without a stack. */
export class SetupError extends Error {}

/**
 * Installs the dependencies when node_modules is missing or older than package-lock.json.
 * @returns {string} the path of the Node that runs the sources
 * @throws {SetupError} with what to do
 */
export function prepare() {
  const wanted = installationStamp(ROOT)
  const installed = readStamp()
  if (installed?.stamp === wanted && existsSync(installed.node)) {
    // The stamp newer than the lockfile lets bin/aldebaran skip this script altogether.
    utimesSync(STAMP, new Date(), new Date())
    return installed.node
  }
  const release = lock()
  try {
    const done = readStamp()
    if (done?.stamp === wanted && existsSync(done.node)) return done.node
    installDependencies()
    const node = chooseNode()
    checkNativeModules(node)
    writeFileSync(STAMP, `${wanted}${relative(ROOT, node)}\n`)
    say('ready')
    return node
  } finally {
    release()
  }
}

/**
 * Runs a script's main function; a SetupError is told plainly and ends the process with code 1.
 * @param {() => number | Promise<number>} main answers the exit code
 */
export async function runMain(main) {
  // Someone who reads only the first lines (… | head) has seen enough.
  process.stdout.on('error', error =>
    process.exit(/** @type {NodeJS.ErrnoException} */ (error).code === 'EPIPE' ? 0 : 1),
  )
  try {
    process.exitCode = await main()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(error.message)
    process.exitCode = 1
  }
}

/** @param {string} text */
export function say(text) {
  process.stderr.write(`aldebaran: ${text}\n`)
}

/** @returns {{ stamp: string, node: string } | null} */
function readStamp() {
  if (!existsSync(STAMP)) return null
  const [stamp = '', node = ''] = readFileSync(STAMP, 'utf8').split('\n')
  return { stamp: `${stamp}\n`, node: resolve(ROOT, node) }
}

function installDependencies() {
  const difference = existsSync(join(ROOT, 'node_modules')) ? firstDifference(ROOT) : 'node_modules is missing'
  if (difference === null) return
  say(`${difference}: running npm ci`)
  // A production environment would leave out what the repository's own commands need.
  const status = npm(['ci', '--include=dev', '--include=optional', '--no-fund', '--no-audit', '--loglevel=error'], ROOT)
  if (status !== 0) throw new SetupError('npm ci failed (its message is above): correct that, then run this again.')
}

/** @returns {string} */
function chooseNode() {
  const found = pinnedNode(ROOT)
  if (found) return found
  say('the package "node" has no binary yet (npm did not run its install script): installing it')
  const problem = installPinnedNode(ROOT, npm)
  const installed = pinnedNode(ROOT)
  if (installed) return installed
  const system = process.execPath
  if (stripsTypes(process.versions.node)) {
    say(`no pinned Node for this machine (${problem}): using ${process.version} instead`)
    return system
  }
  throw new SetupError(
    `the pinned Node ${versionOf(ROOT)} could not be installed (${problem}). ` +
      'Allow npm to reach its registry and run this again, or run it with Node 22.18 or newer.',
  )
}

/**
 * Whether this Node runs TypeScript files without a flag.
 * @param {string} version
 */
function stripsTypes(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18)
}

/** @param {string} node */
function checkNativeModules(node) {
  const script = `
    for (const name of ${JSON.stringify(NATIVE_MODULES)}) {
      try { await import(name) } catch (error) { console.log(name + ': ' + error.message.split('\\n')[0]) }
    }`
  const run = spawnSync(node, ['--input-type=module', '--eval', script], { cwd: ROOT, encoding: 'utf8' })
  const failed =
    run.status === 0 ? run.stdout.trim() : run.stderr.trim() || `Node ended with ${run.status ?? run.signal}`
  if (failed === '') return
  throw new SetupError(
    `native modules do not load on ${process.platform}-${process.arch}:\n  ${failed.replaceAll('\n', '\n  ')}\n` +
      'Their binaries are optional packages of npm: remove node_modules and run this again without ' +
      '--omit=optional. For a platform without a binary, run: npm rebuild --ignore-scripts=false',
  )
}

/**
 * @param {string[]} args
 * @param {string} cwd
 * @returns {number} the exit code
 */
function npm(args, cwd) {
  const cli = process.env.npm_execpath
  const isNpm = cli !== undefined && /npm-cli\.c?js$/.test(cli) && existsSync(cli)
  const run = isNpm
    ? spawnSync(process.execPath, [cli, ...args], { cwd, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', args, { cwd, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (run.error) throw new SetupError(`npm cannot be started: ${run.error.message}`)
  return run.status ?? 1
}

/** One installation at a time: two commands started together must not remove each other's node_modules. */
function lock() {
  mkdirSync(dirname(LOCK), { recursive: true })
  const deadline = Date.now() + LOCK_WAIT_MS
  for (let told = false; ; told = true) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' })
      return () => rmSync(LOCK, { force: true })
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
    }
    const owner = lockOwner()
    if (owner !== null && !isAlive(owner)) {
      rmSync(LOCK, { force: true })
      continue
    }
    if (Date.now() > deadline) throw new SetupError(`another installation is still running: see ${LOCK}`)
    if (!told) say('another command is installing the dependencies: waiting')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
}

/** @returns {number | null} */
function lockOwner() {
  try {
    return Number(readFileSync(LOCK, 'utf8')) || null
  } catch {
    return null
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM'
  }
}

// Run by itself (by bin/aldebaran) it prints the path of the Node to use.
if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await runMain(() => {
    process.stdout.write(`${prepare()}\n`)
    return 0
  })
}
