import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { encoding: 'utf8' })
}

function benches(): string[] {
  const files = readdirSync(import.meta.dirname).filter(file => /^[^.]+\.ts$/.test(file))
  const isBench = (file: string): boolean =>
    readFileSync(join(import.meta.dirname, file), 'utf8').includes('\nexport async function bench(')
  return files.filter(isBench).map(file => file.slice(0, -'.ts'.length))
}

test('without a name every benchmark is listed with what it measures', () => {
  const { status, stdout } = bench()
  assert.equal(status, 0)
  for (const name of benches()) assert.match(stdout, new RegExp(`^ {2}${name} +\\S.{9,}$`, 'm'))
  assert.equal(stdout.match(/^ {2}\S/gm)?.length, benches().length)
})

test('an unknown name is refused, and nothing is printed as a result', () => {
  const { status, stdout, stderr } = bench('no-such-benchmark')
  assert.equal(status, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /^there is no benchmark no-such-benchmark\nusage: /)
})

test('a misspelt name is answered with the nearest one', () => {
  const [name] = benches()
  assert.ok(name, 'there is a benchmark to misspell')
  const { stderr } = bench(`${name}s`)
  assert.match(stderr, new RegExp(`^there is no benchmark ${name}s: did you mean ${name}\\?\n`))
})
