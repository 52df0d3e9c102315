import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { importsOf } from '../scripts/import-scanner.mjs'
import { filesBelow } from '../scripts/test-files.mjs'

const ROOT = join(import.meta.dirname, '..')

function found(text: string): string[] {
  return importsOf(text).map(({ kind, specifier }) => `${kind} ${specifier}`)
}

test('every form of import is found, with its kind and line', () => {
  const text = [
    `#!/usr/bin/env node`,
    `import a from './a.ts'`,
    `import * as b from "./b.ts"`,
    `import { c, type C } from './c.ts'`,
    `import {`,
    `  d1,`,
    `  d2 as d,`,
    `} from './d.ts'`,
    `import type { E } from './e.ts'`,
    `import { type F, type G as H } from './f.ts'`,
    `import type, { g } from './g.ts'`,
    `import './h.ts'`,
    `import json from './i.json' with { type: 'json' }`,
    `export * from './j.ts'`,
    `export { k }`,
    `export type { L } from './l.ts'`,
    `const m = await import('./m.ts')`,
    `new URL('./n.ts', import.meta.url)`,
  ].join('\n')
  assert.deepEqual(importsOf(text), [
    { specifier: './a.ts', kind: 'static', line: 2 },
    { specifier: './b.ts', kind: 'static', line: 3 },
    { specifier: './c.ts', kind: 'static', line: 4 },
    { specifier: './d.ts', kind: 'static', line: 5 },
    { specifier: './e.ts', kind: 'type', line: 9 },
    { specifier: './f.ts', kind: 'type', line: 10 },
    { specifier: './g.ts', kind: 'static', line: 11 },
    { specifier: './h.ts', kind: 'static', line: 12 },
    { specifier: './i.json', kind: 'static', line: 13 },
    { specifier: './j.ts', kind: 'static', line: 14 },
    { specifier: './l.ts', kind: 'type', line: 16 },
    { specifier: './m.ts', kind: 'dynamic', line: 17 },
    { specifier: './n.ts', kind: 'url', line: 18 },
  ])
})

test('comments, strings, templates and regular expressions import nothing', () => {
  const traps = [
    "// import a from './a.ts'",
    "/* import a from './a.ts'\n import './a.ts' */",
    'const text = "import a from \'./a.ts\'"',
    "const text = 'it\\'s import(\"./a.ts\")'",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a program
    "const text = `import a from './a.ts' ${'`'} import './a.ts' \\` import './a.ts'`",
    "const quote = /['\"`]/.test(text) // import './a.ts'",
    "const inClass = [/[/'\"]/, /\\/'/]",
    "object.import('./a.ts')",
  ]
  for (const trap of traps) assert.deepEqual(found(`$trap\nimport './real.ts'\n`), ['static ./real.ts'], trap)
})

test('code inside a template is code', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a program
  assert.deepEqual(found("const a = `${await import('./a.ts')} ${`${await import('./b.ts')}`} import './c.ts'`"), [
    'dynamic ./a.ts',
    'dynamic ./b.ts',
  ])
})

test('a division opens no regular expression', () => {
  assert.deepEqual(found(`const a = b / c; const d = (e) / 2; const f = g[0] / '/'.length\nimport './a.ts'`), [
    'static ./a.ts',
  ])
})

test('the scanner finds what the parser of Node finds, in every file of the repository', () => {
  const folders = ['src', 'apps', 'bench', 'test', 'scripts']
  const files = filesBelow(ROOT, folders, path => /\.(?:ts|mjs)$/.test(path))
  assert.ok(files.length > 20)
  const sources = files.map(file => readFileSync(join(ROOT, file), 'utf8'))
  const stripped = sources.map((text, at) => (files[at]!.endsWith('.ts') ? stripTypeScriptTypes(text) : text))
  const script = `
    import { SourceTextModule } from 'node:vm'
    const texts = JSON.parse(await new Response(process.stdin).text())
    console.log(JSON.stringify(texts.map(text => new SourceTextModule(text).moduleRequests.map(one => one.specifier))))`
  const parsed = spawnSync(
    process.execPath,
    ['--no-warnings', '--experimental-vm-modules', '--input-type=module', '--eval', script],
    { input: JSON.stringify(stripped), encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
  assert.equal(parsed.status, 0, parsed.stderr)
  const expected: string[][] = JSON.parse(parsed.stdout)
  for (const [at, file] of files.entries()) {
    // A type import is gone after stripping; one with names only in braces stays, for its effects.
    const runtime = importsOf(sources[at]!).filter(({ kind }) => kind === 'static' || kind === 'type')
    const names = new Set(runtime.map(({ specifier }) => specifier))
    for (const specifier of expected[at]!) assert.ok(names.has(specifier), `${file} imports ${specifier}`)
    const stat = runtime.filter(({ kind }) => kind === 'static')
    for (const { specifier } of stat) assert.ok(expected[at]!.includes(specifier), `${file} has no ${specifier}`)
  }
})
