// @ts-check
// npm test [-- [--shared] [PATTERN …] [--OPTION of node --test …]]: runs the tests and ends with their counts.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { prepare, ROOT, runMain, SetupError, say } from './prepare.mjs'
import { run } from './run.mjs'
import { filesBelow, selectFiles } from './test-files.mjs'
import { startTestServers } from './test-servers.mjs'

const FOLDERS = ['src', 'apps', 'bench', 'test']
const RUN_LIMIT_MS = 25 * 60_000
const TEST_LIMIT_MS = 5 * 60_000
/** What a test file may take with a Kafka cluster of its own. */
const MEMORY_PER_FILE = 2 * 2 ** 30
/** The data sets the shared tests read; they live beside the repository and are not part of it. */
const SHARED_DATA = join(ROOT, '..', 'shared', 'data')

await runMain(async () => {
  const args = process.argv.slice(2)
  const shared = args.includes('--shared')
  const options = args.filter(arg => arg.startsWith('-') && arg !== '--shared')
  const patterns = args.filter(arg => !arg.startsWith('-'))
  if (shared && !existsSync(SHARED_DATA)) {
    if (process.env.CI) throw new SetupError('the shared tests need ../shared/data, which is not there')
    say('the shared tests need ../shared/data, which is not there: none was run')
    return 0
  }
  const files = selectFiles(testFiles(shared), patterns)
  if (files.length === 0 && !(shared && patterns.length === 0)) {
    throw new SetupError(`no test file matches ${patterns.join(' ') || '*.test.ts'}`)
  }
  if (files.length === 0) say('there are no shared tests yet')
  return files.length === 0 ? report({ passed: 0, failed: 0, skipped: 0, todo: 0 }, 0) : await test(files, options)
})

/**
 * @param {boolean} shared
 * @returns {string[]}
 */
function testFiles(shared) {
  const isTest = (/** @type {string} */ path) => path.endsWith('.test.ts')
  if (shared) return filesBelow(ROOT, ['test/shared'], isTest)
  return filesBelow(ROOT, FOLDERS, path => isTest(path) && !path.startsWith('test/shared/'))
}

/**
 * @param {string[]} files
 * @param {string[]} options of node --test, each `--name=value`
 * @returns {Promise<number>} the exit code
 */
async function test(files, options) {
  const node = prepare()
  const servers = await startTestServers(node, files)
  try {
    const code =
      servers.files.length === 0
        ? report({ passed: 0, failed: 0, skipped: 0, todo: 0 }, 0)
        : await runFiles(node, servers.files, options, servers.environment)
    if (servers.missing.length === 0) return code
    const rule = process.env.CI ? ', which in CI is a failure' : ''
    say(`test files that were not run for want of a server: ${files.length - servers.files.length}${rule}`)
    for (const line of servers.missing) say(line)
    return process.env.CI ? code || 1 : code
  } finally {
    await servers.end()
  }
}

/**
 * @param {string} node
 * @param {string[]} files
 * @param {string[]} options
 * @param {Record<string, string>} environment
 * @returns {Promise<number>} the exit code
 */
async function runFiles(node, files, options, environment) {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-test-'))
  const counts = join(folder, 'counts.json')
  const fitting = Object.keys(environment).length > 0 ? Math.max(1, Math.floor(totalmem() / MEMORY_PER_FILE)) : Infinity
  try {
    const code = await run(
      node,
      [
        '--test',
        `--test-timeout=${TEST_LIMIT_MS}`,
        `--test-concurrency=${Math.min(availableParallelism(), fitting)}`,
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        '--test-reporter=./scripts/count-reporter.mjs',
        `--test-reporter-destination=${counts}`,
        ...options,
        ...files,
      ],
      {
        cwd: ROOT,
        // What the package test runs the built package with: the Node people have, where it is new enough.
        env: { ...process.env, ...environment, ALDEBARAN_OUTER_NODE: process.execPath },
        deadlineMs: RUN_LIMIT_MS,
      },
    )
    if (code === 124) say(`the tests did not end within ${RUN_LIMIT_MS / 60_000} minutes and were stopped`)
    if (!existsSync(counts) || readFileSync(counts, 'utf8') === '') return code || 1
    return report(JSON.parse(readFileSync(counts, 'utf8')), code)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Prints the line .ci/run adds up.
 * @param {{ passed: number, failed: number, skipped: number, todo: number }} counts
 * @param {number} code of node --test
 * @returns {number}
 */
function report({ passed, failed, skipped, todo }, code) {
  const rest = skipped + todo > 0 ? `, ${skipped} skipped, ${todo} to do` : ''
  process.stdout.write(`\ntests: ${passed} passed, ${failed} failed${rest}\n`)
  return code
}
