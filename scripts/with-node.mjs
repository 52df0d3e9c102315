// @ts-check
// node scripts/with-node.mjs FILE [ARGUMENT …]: runs a file of the repository with the pinned Node.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { prepare, ROOT, runMain, SetupError } from './prepare.mjs'
import { run } from './run.mjs'

await runMain(async () => {
  const [file, ...args] = process.argv.slice(2)
  if (!file) throw new SetupError('usage: node scripts/with-node.mjs FILE [ARGUMENT …]')
  const path = resolve(ROOT, file)
  if (!existsSync(path)) throw new SetupError(`${file} does not exist`)
  return run(prepare(), [path, ...args])
})
