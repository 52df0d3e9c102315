// @ts-check
// npm run format [-- FILE …]: formats the files, and corrects what the linter can correct by itself.
import { join } from 'node:path'
import { prepare, ROOT, runMain } from './prepare.mjs'
import { run } from './run.mjs'

await runMain(() => {
  const biome = join(ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome')
  const files = process.argv.slice(2)
  return run(prepare(), [biome, 'check', '--write', ...(files.length > 0 ? files : ['.'])], { cwd: ROOT })
})
