/**
 * The package as a user gets it: packed, installed into an empty project, type-checked, run.
 * It is packed from a copy, so that nothing else that runs in the checkout sees half a build.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { filesBelow } from '../scripts/test-files.mjs'

const ROOT = join(import.meta.dirname, '..')
const SOURCES = ['src', 'apps', 'console', 'scripts', 'README.md', 'LICENSE', 'NOTICE', 'CHANGELOG.md']
const SETTINGS = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
const LIMIT_MS = 240_000
/** Used until there is a README. */
const SMALLEST_EXAMPLE = `
import * as aldebaran from 'aldebaran'
import * as testing from 'aldebaran/testing'
if (Object.keys(aldebaran).length === 0 || Object.keys(testing).length === 0) throw new Error('nothing is exported')
`

const folder = mkdtempSync(join(tmpdir(), 'aldebaran-package-'))
const project = join(folder, 'project')
const installed = join(project, 'node_modules', 'aldebaran')

before(() => {
  const copy = join(folder, 'copy')
  for (const name of [...SOURCES, ...SETTINGS]) {
    if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  mkdirSync(project)
  command('npm', ['pack', '--pack-destination', folder], copy)
  const packed = readdirSync(folder).filter(name => name.endsWith('.tgz'))
  assert.equal(packed.length, 1)
  writeFileSync(
    join(project, 'package.json'),
    '{ "name": "user", "version": "1.0.0", "type": "module", "private": true }',
  )
  command('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, packed[0]!)], project)
})

after(() => rmSync(folder, { recursive: true, force: true }))

test('the package holds what users need, and neither tests nor sources', () => {
  const files = filesBelow(installed, ['dist'], () => true)
  for (const entry of ['index', 'testing/index', 'cli/main']) {
    assert.ok(files.includes(`dist/src/${entry}.js`), entry)
    assert.ok(files.includes(`dist/src/${entry}.d.ts`), entry)
  }
  const modules = filesBelow(ROOT, ['apps'], path => path.endsWith('.ts') && !/\.test\.ts$|\/test\//.test(path))
  for (const path of modules) assert.ok(files.includes(`dist/${path.replace(/\.ts$/, '.js')}`), path)
  const pages = filesBelow(ROOT, ['console'], path => /\.(?:html|css|js|svg)$/.test(path) && !path.includes('.test.'))
  for (const path of pages) assert.ok(files.includes(`dist/${path}`), path)
  for (const path of ['LICENSE', 'NOTICE', 'CHANGELOG.md']) assert.ok(existsSync(join(installed, path)), path)
  assert.deepEqual(
    files.filter(path => /\.test\.|\/test\/|(?<!\.d)\.ts$/.test(path)),
    [],
  )
})

test('the package names its entries as they are built', () => {
  const { exports, bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  assert.deepEqual(Object.keys(exports), ['.', './testing', './postgres', './webhooks', './webhooks/verify'])
  const targets = [bin.aldebaran, ...Object.values<Record<string, string>>(exports).flatMap(Object.values)]
  for (const target of targets) assert.ok(existsSync(join(installed, target)), target)
})

test('the first example of the README type-checks and runs to its end', () => {
  writeFileSync(join(project, 'example.ts'), example())
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2024',
    strict: true,
    exactOptionalPropertyTypes: true,
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules', '@types')],
  }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['example.ts'] }))
  command(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '--project', '.'], project)
  command(userNode(), ['example.js'], project)
})

test('every application of the package loads what it imports by the name of the package', () => {
  for (const name of readdirSync(join(installed, 'dist', 'apps'))) {
    const modules = filesBelow(join(installed, 'dist', 'apps'), [name], path => path.endsWith('.js'))
    assert.ok(modules.length > 0, name)
    const resolved = command(
      userNode(),
      ['--input-type=module', '--eval', "console.log(import.meta.resolve('aldebaran'))"],
      join(installed, 'dist', 'apps', name),
    )
    assert.match(resolved, /aldebaran\/dist\/src\/index\.js\n$/)
  }
})

test('npx aldebaran --help says how it is used', () => {
  assert.match(command('npx', ['--no-install', 'aldebaran', '--help'], project), /aldebaran/)
})

function example(): string {
  const readme = join(ROOT, 'README.md')
  if (!existsSync(readme)) return SMALLEST_EXAMPLE
  const block = /^```ts\n(?<code>[\s\S]*?)^```$/m.exec(readFileSync(readme, 'utf8'))?.groups?.code
  assert.ok(block, 'README.md has a block of ```ts')
  return block
}

/** The Node the tests were started with, when the package supports it; otherwise the pinned one. */
function userNode(): string {
  const outer = process.env.ALDEBARAN_OUTER_NODE
  if (outer === undefined) return process.execPath
  const [major = 0, minor = 0] = spawnSync(outer, ['--version'], { encoding: 'utf8' })
    .stdout.slice(1)
    .split('.')
    .map(Number)
  return major > 22 || (major === 22 && minor >= 15) ? outer : process.execPath
}

/** Runs a program to its end, which must be a good one, and answers what it printed. */
function command(program: string, args: string[], cwd: string): string {
  const isOfThisRun = /^npm_(?:package|lifecycle|command|execpath|config_local_prefix)/
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOfThisRun.test(name)))
  // The manifest is turned by the scripts of npm pack, which a machine's settings may switch off.
  env.npm_config_ignore_scripts = 'false'
  // What npm and npx start finds the same Node first.
  env.PATH = `${dirname(userNode())}${delimiter}${env.PATH}`
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env, encoding: 'utf8', timeout: LIMIT_MS })
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${error?.message ?? ''}\n${stdout}\n${stderr}`)
  return stdout
}
