// @ts-check
// npm run build: what is published, in dist. The folders lie below dist as they lie in the checkout, with a
// package.json at their head, so that a path relative to a file means the same in both.
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { publishedForm } from './manifest.mjs'
import { prepare, ROOT, runMain, SetupError, say } from './prepare.mjs'
import { run } from './run.mjs'
import { filesBelow } from './test-files.mjs'

const DIST = join(ROOT, 'dist')
const COMMAND = join(DIST, 'src', 'cli', 'main.js')
const SHEBANG = '#!/usr/bin/env node\n'

/** new URL('./log-thread.ts', import.meta.url): tsc rewrites imports, and leaves these to us. */
const URL_OF_SOURCE = /(\bnew URL\(\s*)(['"])(\.{1,2}\/[^'"]+)\.ts\2(\s*,\s*import\.meta\.url\b)/g
/** import('./a.ts') and from './a.ts' in declarations. */
const SPECIFIER_OF_SOURCE = /(\bfrom |\bimport\(|\bimport )(['"])(\.{1,2}\/[^'"]+)\.ts\2/g

await runMain(async () => {
  const node = prepare()
  rmSync(DIST, { recursive: true, force: true })
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const code = await run(node, [compiler, '--project', 'tsconfig.build.json'], { cwd: ROOT, stdio: ['ignore', 2, 2] })
  if (code !== 0) throw new SetupError('the types do not check: nothing was built')
  rewriteOutput()
  copyAssets()
  writeManifest()
  if (existsSync(COMMAND)) markExecutable()
  say(`built ${filesBelow(ROOT, ['dist'], () => true).length} files in dist`)
  return 0
})

function rewriteOutput() {
  for (const file of filesBelow(ROOT, ['dist'], path => /\.(?:js|d\.ts)$/.test(path))) {
    const path = join(ROOT, file)
    const before = readFileSync(path, 'utf8')
    const after = file.endsWith('.d.ts')
      ? before.replace(SPECIFIER_OF_SOURCE, '$1$2$3.js$2')
      : before.replace(URL_OF_SOURCE, (_whole, start, quote, target, end) => {
          if (!existsSync(resolve(dirname(path), `${target}.js`))) {
            throw new SetupError(`${file} names ${target}.ts, which is not in the package`)
          }
          return `${start}${quote}${target}.js${quote}${end}`
        })
    if (after !== before) writeFileSync(path, after)
  }
}

/** Data, SQL, pages: all that lies beside the sources and is neither a source nor a test. */
function copyAssets() {
  const isAsset = (/** @type {string} */ path) =>
    !/\.(?:ts|mts|tsx|md)$/.test(path) && !/\.test\.|\/test\//.test(path) && !basename(path).startsWith('.')
  for (const file of filesBelow(ROOT, ['src', 'apps', 'console'], isAsset)) cpSync(join(ROOT, file), join(DIST, file))
}

function writeManifest() {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const { name, version, type, exports } = publishedForm(manifest, './')
  writeFileSync(join(DIST, 'package.json'), `${JSON.stringify({ name, version, type, exports }, null, 2)}\n`)
}

function markExecutable() {
  const text = readFileSync(COMMAND, 'utf8')
  if (!text.startsWith('#!')) writeFileSync(COMMAND, SHEBANG + text)
  chmodSync(COMMAND, 0o755)
}
