// @ts-check
// The exports of package.json name the sources in the checkout, and what tsc made of them in the published package.
// So `import … from 'aldebaran'` means the same in an application of the checkout, without a build, and for a user.
// Each form follows from the other: nothing has to be kept to come back. See docs/decisions/0001.
import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { missingOptionals } from './complete-lockfile.mjs'

/**
 * @typedef {{ types: string, default: string }} Built
 * @typedef {{ exports: Record<string, string | Built>, [field: string]: unknown }} Manifest
 */

/**
 * @param {Manifest} manifest
 * @param {string} folder where tsc's output lies, seen from the package.json
 * @returns {Manifest}
 */
export function publishedForm(manifest, folder = './dist/') {
  return mapExports(manifest, target => {
    if (typeof target !== 'string') return target
    const stem = target.replace(/^\.\//, folder).replace(/\.ts$/, '')
    return { types: `${stem}.d.ts`, default: `${stem}.js` }
  })
}

/**
 * @param {Manifest} manifest
 * @returns {Manifest}
 */
export function sourceForm(manifest) {
  return mapExports(manifest, target =>
    typeof target === 'string' ? target : target.default.replace(/^\.\/dist\//, './').replace(/\.js$/, '.ts'),
  )
}

/**
 * What is wrong with package.json and package-lock.json, as sentences.
 * @param {Manifest} manifest
 * @param {import('./complete-lockfile.mjs').Lockfile} lockfile
 * @returns {string[]}
 */
export function manifestProblems(manifest, lockfile) {
  const problems = []
  if (JSON.stringify(sourceForm(manifest)) !== JSON.stringify(manifest)) {
    problems.push('package.json has the exports of a published package: run node scripts/manifest.mjs source')
  }
  const resolved = Object.entries(lockfile.packages).filter(([, entry]) => entry.resolved?.startsWith('http'))
  if (resolved.length > 0) {
    problems.push(
      `package-lock.json names a registry (${resolved.length} times, first for ${resolved[0]?.[0]}): ` +
        'npm keeps it out when .npmrc has omit-lockfile-registry-resolved=true',
    )
  }
  const locked = lockfile.packages['']?.version
  if (locked !== manifest.version) {
    problems.push(`package.json is ${manifest.version}, package-lock.json ${locked}: run npm install`)
  }
  const missing = missingOptionals(lockfile)
  if (missing.length > 0) {
    problems.push(
      `package-lock.json lacks optional packages (${missing.length}, first ${missing[0]?.name}), and npm ci refuses it: ` +
        'run npm run lockfile',
    )
  }
  return problems
}

/**
 * @param {Manifest} manifest
 * @param {(target: string | Built) => string | Built} map
 * @returns {Manifest}
 */
function mapExports(manifest, map) {
  const entries = Object.entries(manifest.exports).map(([path, target]) => [path, map(target)])
  return { ...manifest, exports: Object.fromEntries(entries) }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const form = { published: publishedForm, source: sourceForm }[process.argv[2] ?? '']
  if (!form) throw new Error('usage: node scripts/manifest.mjs published|source')
  const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'package.json')
  /** @type {Manifest} */
  const manifest = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, `${JSON.stringify(form(manifest), null, 2)}\n`)
}
