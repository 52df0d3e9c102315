/** The documentation against the code: links, paths, commands, errors, options, and examples that compile. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
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
import { dirname, join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { filesBelow } from '../scripts/test-files.mjs'
import { COMMANDS } from '../src/cli/command-list.ts'
import { ERROR_CODES } from '../src/errors.ts'

const ROOT = join(import.meta.dirname, '..')
const PAGES = [
  ...readdirSync(ROOT).filter(name => name.endsWith('.md')),
  ...filesBelow(ROOT, ['docs', 'apps'], path => path.endsWith('.md')),
].sort()
const FOLDERS = ['src', 'apps', 'bench', 'console', 'docs', 'scripts', 'test', 'bin']
const PLACEHOLDER = /NAME|thing|NNNN|[*<>…]/

const text = (page: string): string => readFileSync(join(ROOT, page), 'utf8')

/** The bodies of fenced blocks of a language. */
function blocks(page: string, language: string): string[] {
  return [...text(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(match => match[1]!)
}

function withoutBlocks(page: string): string {
  return text(page).replace(/^```[\s\S]*?^```$/gm, '')
}

/** A heading as the anchor that GitHub makes of it. */
function anchorsOf(page: string): string[] {
  return [...withoutBlocks(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('links', () => {
  for (const page of PAGES) {
    test(`${page}: every relative link leads to a file, and to a heading of it`, () => {
      const links = [...withoutBlocks(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(match => match[1]!)
      const broken = links.filter(link => {
        const [path = '', anchor] = link.split('#')
        const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path))
        if (!existsSync(join(ROOT, target))) return true
        return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor)
      })
      assert.deepEqual(broken, [])
    })

    test(`${page}: every path of the repository that it names exists`, () => {
      const named = [...withoutBlocks(page).matchAll(/`([\w./-]+)`/g)].map(match => match[1]!)
      const paths = named.filter(name => FOLDERS.includes(name.split('/')[0]!) && name.includes('/'))
      const missing = paths.filter(path => !PLACEHOLDER.test(path) && !existsSync(join(ROOT, path)))
      assert.deepEqual(missing, [])
    })
  }

  test('the index names every guide', () => {
    const index = text('docs/README.md')
    const guides = readdirSync(join(ROOT, 'docs')).filter(name => name.endsWith('.md') && name !== 'README.md')
    assert.ok(guides.length > 8)
    assert.deepEqual(
      guides.filter(name => !index.includes(`](${name})`)),
      [],
    )
  })
})

describe('commands', () => {
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> }
  const benchmarks = readdirSync(join(ROOT, 'bench')).map(name => name.replace(/\.ts$/, ''))
  const commands = COMMANDS.map(command => command.name)

  for (const page of PAGES) {
    test(`${page}: every command exists`, () => {
      const inline = [...withoutBlocks(page).matchAll(/`([^`\n]+)`/g)].map(match => match[1]!)
      const lines = [...blocks(page, 'sh').flatMap(block => block.split('\n')), ...inline]
      const unknown: string[] = []
      for (const line of lines) {
        const script = /\bnpm (?:run )?(?:-s )?(start|test|(?<=run (?:-s )?)[a-z]+)\b/.exec(line)?.[1]
        if (script !== undefined && scripts[script] === undefined) unknown.push(line)
        const benchmark = /npm run bench -- ([a-z]+)/.exec(line)?.[1]
        if (benchmark !== undefined && !benchmarks.includes(benchmark)) unknown.push(line)
        const command = /^(?:npx |bin\/)?aldebaran ([a-z]+)|npm run -s aldebaran -- ([a-z]+)/.exec(line)
        const name = command?.[1] ?? command?.[2]
        if (name !== undefined && name !== 'help' && !commands.includes(name)) unknown.push(line)
      }
      assert.deepEqual(unknown, [])
    })
  }
})

test('docs/errors.md has every code with its fate and its remedy, and no other', () => {
  const rows = [...text('docs/errors.md').matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (.+) \|$/gm)]
  const told = rows.map(([, code, fate, remedy]) => [code, fate, remedy])
  assert.deepEqual(
    told,
    Object.entries(ERROR_CODES).map(([code, [fate, remedy]]) => [code, fate, remedy]),
  )
})

describe('docs/configuration.md', () => {
  const page = text('docs/configuration.md')
  const SETTINGS = {
    'src/run.ts': ['RunSettings'],
    'src/runtime/start.ts': ['StartSettings'],
    'src/runtime/log-location.ts': ['EmbeddedSettings', 'KafkaSettings'],
    'src/runtime/worker.ts': ['WorkerSettings'],
    'src/runtime/application.ts': ['ApplicationSettings'],
    'src/runtime/subscribe.ts': ['SubscribeSettings'],
    'src/http/settings.ts': ['HttpSettings'],
    'src/pipeline/topic.ts': ['TopicSettings'],
    'src/pipeline/table.ts': ['TableSettings'],
    'src/pipeline/pipeline.ts': ['PipelineSettings'],
    'src/pipeline/source-time.ts': ['SourceSettings'],
    'src/pipeline/windows/window-node.ts': ['WindowSettings'],
    'src/pipeline/context.ts': ['SendOptions'],
    'src/schema/avro-decoder.ts': ['DecodeOptions'],
  }

  for (const [file, interfaces] of Object.entries(SETTINGS)) {
    for (const name of interfaces) {
      test(`names every option of ${name}`, () => {
        const body = new RegExp(`^export interface ${name}\\b[^\\n]*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(text(file))?.[1]
        assert.ok(body, `${file} has ${name}`)
        const options = [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(match => match[1]!)
        assert.ok(options.length > 0)
        assert.deepEqual(
          options.filter(option => !page.includes(`\`${option}\``)),
          [],
        )
      })
    }
  }

  test('names every environment variable', () => {
    const sources = filesBelow(ROOT, ['src', 'apps'], path => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    const variables = new Set<string>()
    for (const source of sources) {
      for (const [, name] of text(source).matchAll(/\benv(?:ironment)?\.([A-Z][A-Z_]+)\b|'(AUDIT_[A-Z_]+)'/g)) {
        if (name !== undefined) variables.add(name)
      }
    }
    // TERM is the terminal's own.
    variables.delete('TERM')
    assert.ok(variables.size > 3)
    assert.deepEqual(
      [...variables].filter(name => !page.includes(`\`${name}\``)),
      [],
    )
  })
})

test('docs/dependencies.md names every dependency, and no other', () => {
  const { dependencies, devDependencies } = JSON.parse(text('package.json')) as Record<string, Record<string, string>>
  const told = [...text('docs/dependencies.md').matchAll(/^\| `([^`]+)` \|/gm)].map(match => match[1]!)
  assert.deepEqual(told.sort(), Object.keys({ ...dependencies, ...devDependencies }).sort())
})

test('the examples of the guides compile, those of a page as one program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aldebaran-docs-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(ROOT, join(folder, 'node_modules', 'aldebaran'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    // A page without imports shows fragments.
    const pages = filesBelow(ROOT, ['docs'], path => path.endsWith('.md')).filter(page =>
      blocks(page, 'ts').some(block => block.includes("from 'aldebaran")),
    )
    assert.ok(pages.length > 3)
    const files = pages.map(page => {
      const file = page.replaceAll('/', '-').replace(/\.md$/, '.ts')
      writeFileSync(join(folder, file), blocks(page, 'ts').join('\n'))
      return file
    })
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2024',
      lib: ['esnext'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules', '@types')],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const { status, stdout } = spawnSync(process.execPath, [tsc, '--project', '.'], { cwd: folder, encoding: 'utf8' })
    assert.equal(stdout, '')
    assert.equal(status, 0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
