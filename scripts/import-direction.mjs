// @ts-check
// Imports point one way. `node scripts/import-direction.mjs` prints what breaks a rule, and fails if anything does.
//
// 1. A file of src imports its own layer and the layers before it; errors.ts and time/clock.ts are open to everyone.
// 2. testing imports every layer but http and cli; only tests and cli's simulate and bench import testing.
// 3. An application imports `aldebaran`, `aldebaran/testing`, packages, Node, and its own folder.
// 4. src and apps never reach out to bench, test or scripts. Tests are free in what they import.
// 5. Files do not import each other in a circle, not even for types. import('…') and new URL('…') close no circle,
//    for they load later; for direction they count like any other.
import { readFileSync, realpathSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importsOf } from './import-scanner.mjs'
import { filesBelow } from './test-files.mjs'

/** @typedef {import('./import-scanner.mjs').Import} Import */

/** From the one that knows nothing of the others to the one that knows them all. */
export const LAYERS = [
  'time',
  'record',
  'schema',
  'log',
  'state',
  'pipeline',
  'delivery',
  'runtime',
  'connect',
  'http',
  'cli',
]
const OPEN_TO_EVERYONE = ['src/errors.ts', 'src/time/clock.ts']
const ENTRY = ['src/index.ts', 'src/run.ts']
const MAY_USE_TESTING = /^src\/cli\/(?:[^/]+\/)*(?:simulate|bench)(?:[./-]|$)/
const NOT_FOR_TESTING = ['http', 'cli']

/**
 * @param {Map<string, string>} files path from the root, with forward slashes → text
 * @returns {string[]} one line for each broken rule
 */
export function directionProblems(files) {
  /** @type {string[]} */
  const problems = []
  /** @type {Map<string, string[]>} */
  const graph = new Map()
  for (const [path, text] of files) {
    const imports = importsOf(text)
    graph.set(
      path,
      imports.flatMap(found => (closesCircles(found) ? [targetOf(path, found.specifier)] : [])),
    )
    const own = placeProblem(path)
    if (own) problems.push(`${path}: ${own}`)
    for (const found of imports) {
      const problem = importProblem(path, found)
      if (problem) problems.push(`${path}:${found.line}: imports ${found.specifier}: ${problem}`)
    }
  }
  for (const circle of circles(graph)) problems.push(`imported in a circle: ${[...circle, circle[0]].join(' → ')}`)
  return problems
}

/** @param {Import} found */
function closesCircles({ specifier, kind }) {
  return specifier.startsWith('.') && (kind === 'static' || kind === 'type')
}

/**
 * @param {string} path
 * @returns {string | null}
 */
function placeProblem(path) {
  if (!path.startsWith('src/') || isTest(path) || layerOf(path) !== null) return null
  return 'belongs to no layer: move it to a folder of src, or name its folder in scripts/import-direction.mjs'
}

/**
 * @param {string} path
 * @param {Import} found
 * @returns {string | null} the broken rule
 */
function importProblem(path, { specifier }) {
  if (path.startsWith('apps/')) return applicationProblem(path, specifier)
  if (!path.startsWith('src/') || isTest(path)) return null
  if (specifier === 'aldebaran' || specifier.startsWith('aldebaran/')) return 'inside src, import the file itself'
  if (!specifier.startsWith('.')) return null
  const target = targetOf(path, specifier)
  if (OPEN_TO_EVERYONE.includes(target)) return null
  if (/^(?:apps|bench|test|scripts)\//.test(target)) return `src does not know ${target.split('/')[0]}`
  if (!target.startsWith('src/')) return null
  if (isTest(target)) return 'a test is not for others'
  return layerProblem(path, target)
}

/**
 * @param {string} path
 * @param {string} target
 * @returns {string | null}
 */
function layerProblem(path, target) {
  const from = layerOf(path)
  const to = layerOf(target)
  if (from === null || to === null || from === to) return null
  if (to === 'testing') return MAY_USE_TESTING.test(path) ? null : 'testing is for tests'
  if (from === 'testing') return NOT_FOR_TESTING.includes(to) ? `testing does not know ${to}` : null
  if (to === 'errors') return null
  if (to === 'entry') return from === 'cli' ? null : 'the entry is for users'
  if (from === 'entry') return to === 'cli' ? 'the entry does not know cli' : null
  if (from === 'errors') return 'errors.ts comes before every layer'
  return LAYERS.indexOf(from) > LAYERS.indexOf(to) ? null : `${from} comes before ${to}`
}

/**
 * @param {string} path
 * @param {string} specifier
 * @returns {string | null}
 */
function applicationProblem(path, specifier) {
  if (!specifier.startsWith('.')) return null
  const home = path.split('/').slice(0, 2).join('/')
  const target = targetOf(path, specifier)
  if (target.startsWith(`${home}/`)) return null
  if (target.startsWith('src/')) return "an application imports 'aldebaran', as a user does"
  if (isTest(path) && target.startsWith('test/')) return null
  return 'an application imports nothing outside its folder'
}

/** @param {string} path */
function isTest(path) {
  return path.endsWith('.test.ts') || path.includes('/test/')
}

/**
 * @param {string} path
 * @returns {string | null}
 */
function layerOf(path) {
  if (ENTRY.includes(path)) return 'entry'
  if (path === 'src/errors.ts') return 'errors'
  const [, folder = '', ...rest] = path.split('/')
  if (rest.length === 0) return null
  return folder === 'testing' || LAYERS.includes(folder) ? folder : null
}

/**
 * @param {string} path
 * @param {string} specifier
 */
function targetOf(path, specifier) {
  return posix.join(posix.dirname(path), specifier)
}

/**
 * The strongly connected groups of more than one file (or one that imports itself), each told as a shortest circle.
 * @param {Map<string, string[]>} graph
 * @returns {string[][]}
 */
function circles(graph) {
  /** @type {string[][]} */
  const found = []
  const told = new Set()
  for (const start of [...graph.keys()].sort()) {
    if (told.has(start)) continue
    const circle = shortestCircle(graph, start)
    // A circle that meets one told before is most often the same knot; correcting that one shows what is left.
    if (!circle || circle.some(file => told.has(file))) continue
    for (const file of circle) told.add(file)
    found.push(circle)
  }
  return found
}

/**
 * @param {Map<string, string[]>} graph
 * @param {string} start
 * @returns {string[] | null}
 */
function shortestCircle(graph, start) {
  /** @type {Map<string, string>} */
  const cameFrom = new Map()
  const queue = [start]
  for (const file of queue) {
    for (const next of graph.get(file) ?? []) {
      if (next === start) {
        const circle = [file]
        for (let at = file; at !== start; circle.unshift(at)) at = cameFrom.get(at) ?? start
        return circle
      }
      if (!cameFrom.has(next) && graph.has(next)) {
        cameFrom.set(next, file)
        queue.push(next)
      }
    }
  }
  return null
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)))
  const paths = filesBelow(root, ['src', 'apps'], path => path.endsWith('.ts'))
  const problems = directionProblems(new Map(paths.map(path => [path, readFileSync(join(root, path), 'utf8')])))
  process.stdout.write(
    problems.length === 0 ? `${paths.length} files import in one direction\n` : `${problems.join('\n')}\n`,
  )
  process.exitCode = problems.length === 0 ? 0 : 1
}
