import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { directionProblems, LAYERS } from '../scripts/import-direction.mjs'

function problems(files: Record<string, string>): string[] {
  return directionProblems(new Map(Object.entries(files)))
}

describe('layers', () => {
  test('a layer imports itself and the layers before it', () => {
    const files: Record<string, string> = {}
    for (const [rank, layer] of LAYERS.entries()) {
      const before = LAYERS.slice(0, rank).map(other => `import { a } from '../${other}/a.ts'\n`)
      files[`src/${layer}/a.ts`] = before.join('')
      files[`src/${layer}/b.ts`] = `import { a } from './a.ts'\nimport { c } from './deep/c.ts'`
      files[`src/${layer}/deep/c.ts`] = `import { a } from '../a.ts'`
    }
    assert.deepEqual(problems(files), [])
  })

  test('a layer does not import any layer after it', () => {
    for (const [rank, layer] of LAYERS.entries()) {
      for (const later of LAYERS.slice(rank + 1)) {
        const found = problems({ [`src/${layer}/a.ts`]: `import { b } from '../${later}/b.ts'` })
        assert.deepEqual(found, [`src/${layer}/a.ts:1: imports ../${later}/b.ts: ${layer} comes before ${later}`])
      }
    }
  })

  test('every form of import counts', () => {
    const forms = [
      `import { b } from '../http/b.ts'`,
      `import type { B } from '../http/b.ts'`,
      `import '../http/b.ts'`,
      `export * from '../http/b.ts'`,
      `const b = await import('../http/b.ts')`,
      `new Worker(new URL('../http/b.ts', import.meta.url))`,
    ]
    for (const form of forms) assert.equal(problems({ 'src/log/a.ts': `\n${form}\n` }).length, 1, form)
  })

  test('the errors and the clock are open to everyone, and know nobody', () => {
    assert.deepEqual(
      problems({
        'src/time/clock.ts': `import { AldebaranError } from '../errors.ts'`,
        'src/record/a.ts': `import { AldebaranError } from '../errors.ts'\nimport { systemClock } from '../time/clock.ts'`,
      }),
      [],
    )
    assert.deepEqual(problems({ 'src/errors.ts': `import { a } from './time/clock-face.ts'` }), [
      'src/errors.ts:1: imports ./time/clock-face.ts: errors.ts comes before every layer',
    ])
  })

  test('a file of no layer is told where to go', () => {
    const found = problems({ 'src/helper.ts': '', 'src/other/a.ts': '' })
    assert.equal(found.length, 2)
    for (const line of found) assert.match(line, /belongs to no layer: move it/)
  })

  test('src knows neither bench nor test, and no test of its own', () => {
    assert.deepEqual(
      problems({
        'src/log/a.ts': `import { a } from '../../bench/measure.ts'`,
        'src/log/b.ts': `import { b } from './c.test.ts'`,
        'src/log/c.test.ts': `import { a } from '../../bench/measure.ts'`,
      }),
      [
        'src/log/a.ts:1: imports ../../bench/measure.ts: src does not know bench',
        'src/log/b.ts:1: imports ./c.test.ts: a test is not for others',
      ],
    )
  })

  test('only cli imports the entry, and nothing in src goes through the name of the package', () => {
    assert.deepEqual(
      problems({
        'src/index.ts': `export * from './run.ts'`,
        'src/run.ts': `import { serve } from './http/serve.ts'`,
        'src/cli/a.ts': `import { run } from '../index.ts'`,
        'src/http/a.ts': `import { run } from '../index.ts'`,
        'src/http/b.ts': `import { run } from 'aldebaran'`,
      }),
      [
        'src/http/a.ts:1: imports ../index.ts: the entry is for users',
        'src/http/b.ts:1: imports aldebaran: inside src, import the file itself',
      ],
    )
  })
})

describe('testing', () => {
  test('imports every layer but http and cli', () => {
    assert.deepEqual(
      problems({
        'src/testing/a.ts': `import '../runtime/a.ts'\nimport '../time/a.ts'\nimport '../http/a.ts'\nimport '../cli/a.ts'`,
      }),
      [
        'src/testing/a.ts:3: imports ../http/a.ts: testing does not know http',
        'src/testing/a.ts:4: imports ../cli/a.ts: testing does not know cli',
      ],
    )
  })

  test('is imported by tests, by itself, and by the commands simulate and bench', () => {
    const testing = `import { drive } from '../testing/drive.ts'`
    assert.deepEqual(
      problems({
        'src/log/a.test.ts': testing,
        'src/testing/b.ts': `import { drive } from './drive.ts'`,
        'src/cli/simulate.ts': testing,
        'src/cli/commands/bench.ts': `import { drive } from '../../testing/drive.ts'`,
      }),
      [],
    )
    for (const path of ['src/log/a.ts', 'src/cli/start.ts', 'src/cli/benchmarks.ts']) {
      assert.deepEqual(problems({ [path]: testing }), [`${path}:1: imports ../testing/drive.ts: testing is for tests`])
    }
  })
})

describe('applications', () => {
  test('import the package, other packages, Node, and their own folder', () => {
    const app = `import { pipeline } from 'aldebaran'\nimport pg from 'pg'\nimport 'node:fs'\nimport './rules.ts'`
    assert.deepEqual(
      problems({
        'apps/audit/app.ts': app,
        'apps/audit/deep/a.ts': `import '../rules.ts'`,
        'apps/audit/simulation.ts': `import { testLog } from 'aldebaran/testing'`,
      }),
      [],
    )
  })

  test('do not reach inside the package, nor into each other', () => {
    assert.deepEqual(
      problems({
        'apps/audit/a.ts': `import '../../src/index.ts'`,
        'apps/audit/a.test.ts': `import '../../src/errors.ts'`,
        'apps/audit/b.ts': `import '../tasks/b.ts'`,
      }),
      [
        "apps/audit/a.ts:1: imports ../../src/index.ts: an application imports 'aldebaran', as a user does",
        "apps/audit/a.test.ts:1: imports ../../src/errors.ts: an application imports 'aldebaran', as a user does",
        'apps/audit/b.ts:1: imports ../tasks/b.ts: an application imports nothing outside its folder',
      ],
    )
  })
})

describe('circles', () => {
  test('are told file by file, also through types', () => {
    assert.deepEqual(
      problems({
        'src/log/a.ts': `import type { B } from './b.ts'`,
        'src/log/b.ts': `import { c } from './c.ts'`,
        'src/log/c.ts': `export { a } from './a.ts'`,
        'src/log/d.ts': `import { a } from './a.ts'`,
      }),
      ['imported in a circle: src/log/a.ts → src/log/b.ts → src/log/c.ts → src/log/a.ts'],
    )
  })

  test('a file that imports itself is one', () => {
    assert.deepEqual(problems({ 'src/log/a.ts': `import { a } from './a.ts'` }), [
      'imported in a circle: src/log/a.ts → src/log/a.ts',
    ])
  })

  test('two circles that share no file are both told', () => {
    const files = {
      'src/log/a.ts': `import './b.ts'`,
      'src/log/b.ts': `import './a.ts'`,
      'src/state/c.ts': `import './d.ts'`,
      'src/state/d.ts': `import './c.ts'`,
    }
    assert.equal(problems(files).length, 2)
  })

  test('what loads later closes none', () => {
    const files = {
      'src/log/a.ts': `import('./b.ts')\nnew URL('./b.ts', import.meta.url)`,
      'src/log/b.ts': `import './a.ts'`,
    }
    assert.deepEqual(problems(files), [])
  })
})
