// @ts-check
// npm start: installs what is missing, then `aldebaran up` with the arguments given.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { prepare, ROOT, runMain, SetupError } from './prepare.mjs'
import { run } from './run.mjs'

await runMain(async () => {
  const main = join(ROOT, 'src', 'cli', 'main.ts')
  const node = prepare()
  if (!existsSync(main)) throw new SetupError('src/cli/main.ts does not exist yet: there is nothing to start')
  return run(node, [main, 'up', ...process.argv.slice(2)])
})
