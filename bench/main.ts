/** npm run bench -- NAME [--option value …]: runs bench/NAME.ts. Without a name it lists the benchmarks. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AldebaranError, messageOf } from '../src/errors.ts'

/** What a file of this folder exports to be a benchmark. */
interface BenchModule {
  bench(args: string[]): Promise<void> | void
}

const FOLDER = import.meta.dirname
/** What tells a benchmark from a file that benchmarks share; told from the text, for loading a file may cost time. */
const IS_BENCH = /^export (?:async )?function bench\b/m

process.exitCode = await main(process.argv.slice(2))

async function main([name, ...args]: string[]): Promise<number> {
  const names = benchNames()
  if (name === undefined || name === '--help' || name === 'help') {
    process.stdout.write(listOf(names))
    return 0
  }
  if (!names.includes(name)) {
    const near = nearest(name, names)
    process.stderr.write(`there is no benchmark ${name}${near ? `: did you mean ${near}?` : ''}\n${listOf(names)}`)
    return 2
  }
  try {
    const { bench } = (await import(pathToFileURL(join(FOLDER, `${name}.ts`)).href)) as BenchModule
    await bench(args)
    // A benchmark whose results are wrong says so.
    return Number(process.exitCode ?? 0)
  } catch (error) {
    // A wrong option is the user's to correct; anything else is ours, and its stack says where.
    const expected = error instanceof AldebaranError && error.code === 'OPTION_INVALID'
    process.stderr.write(`${expected ? messageOf(error) : error instanceof Error ? error.stack : String(error)}\n`)
    return expected ? 2 : 1
  }
}

function benchNames(): string[] {
  return readdirSync(FOLDER)
    .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .filter(file => IS_BENCH.test(readFileSync(join(FOLDER, file), 'utf8')))
    .map(file => file.slice(0, -'.ts'.length))
    .sort()
}

function listOf(names: readonly string[]): string {
  const width = Math.max(0, ...names.map(name => name.length))
  const lines = names.map(name => `  ${name.padEnd(width)}  ${descriptionOf(name)}\n`)
  return `usage: npm run bench -- NAME [--option value …]\n\n${lines.join('') || '  there are no benchmarks yet\n'}`
}

/** The first line of the comment at the head of the file. */
function descriptionOf(name: string): string {
  const text = readFileSync(join(FOLDER, `${name}.ts`), 'utf8')
  const comment = /^\s*(?:\/\*\*?\s*(?:\*\s*)?|\/\/\s*)(?<line>[^\n]*?)\s*(?:\*\/|\n)/.exec(text)
  return comment?.groups?.line ?? ''
}

/** The name that the fewest single-letter changes turn into what was typed, when they are few. */
function nearest(typed: string, names: readonly string[]): string | null {
  const limit = Math.max(1, Math.floor(typed.length / 3))
  let best: string | null = null
  let bestDistance = limit + 1
  for (const name of names) {
    const distance = name.startsWith(typed) ? 1 : editDistance(typed, name)
    if (distance < bestDistance) [best, bestDistance] = [name, distance]
  }
  return best
}

/** Levenshtein's distance, one row of the table at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
