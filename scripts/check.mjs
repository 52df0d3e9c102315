// @ts-check
// npm run check: format and lint, types, unused code, import direction, the manifest. One line each; what failed is
// shown whole.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { manifestProblems } from './manifest.mjs'
import { prepare, ROOT, runMain } from './prepare.mjs'
import { capture } from './run.mjs'

const MODULES = join(ROOT, 'node_modules')

/** @type {Record<string, string[]>} name → what the pinned Node runs */
const CHECKS = {
  format: [join(MODULES, '@biomejs', 'biome', 'bin', 'biome'), 'ci', '--colors=off', '.'],
  types: [join(MODULES, 'typescript', 'bin', 'tsc'), '--project', '.', '--pretty', 'false'],
  console: [join(MODULES, 'typescript', 'bin', 'tsc'), '--project', 'console', '--pretty', 'false'],
  unused: [join(MODULES, 'knip', 'bin', 'knip.js'), '--no-progress'],
  imports: [join(ROOT, 'scripts', 'import-direction.mjs')],
}

await runMain(async () => {
  const wanted = process.argv.slice(2)
  const names = wanted.length > 0 ? wanted : [...Object.keys(CHECKS), 'manifest']
  const node = prepare()
  const results = await Promise.all(names.map(name => check(name, node)))
  const failed = results.filter(ok => !ok).length
  process.stdout.write(failed === 0 ? 'checks: all passed\n' : `checks: ${failed} failed\n`)
  return failed === 0 ? 0 : 1
})

/**
 * @param {string} name
 * @param {string} node
 * @returns {Promise<boolean>}
 */
async function check(name, node) {
  const started = Date.now()
  const { code, output } = await outcome(name, node)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  process.stdout.write(
    `${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n${code === 0 ? '' : indent(output)}`,
  )
  return code === 0
}

/**
 * @param {string} name
 * @param {string} node
 * @returns {Promise<{ code: number, output: string }>}
 */
async function outcome(name, node) {
  const args = CHECKS[name]
  if (args) return capture(node, args, { cwd: ROOT })
  if (name !== 'manifest')
    return { code: 1, output: `there is no such check: ${Object.keys(CHECKS).join(', ')}, manifest` }
  const read = (/** @type {string} */ file) => JSON.parse(readFileSync(join(ROOT, file), 'utf8'))
  const problems = manifestProblems(read('package.json'), read('package-lock.json'))
  return { code: problems.length === 0 ? 0 : 1, output: problems.join('\n') }
}

/** @param {string} text */
function indent(text) {
  return `${text.trimEnd().replaceAll(/^/gm, '  ')}\n`
}
