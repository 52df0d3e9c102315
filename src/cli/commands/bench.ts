import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { AldebaranError } from '../../errors.ts'
import { packageFile } from '../package-files.ts'
import type { Session } from '../session.ts'

/** Hands everything to the benchmarks, in a process of their own, so that they measure nothing of this one. */
export function define(command: Command, session: Session): void {
  command
    .argument('[args...]', 'the benchmark and its options; none: the list of them')
    .action(async (args: string[]) => {
      const main = fileURLToPath(packageFile('bench/main.ts'))
      if (!existsSync(main)) {
        throw new AldebaranError('CHECKOUT_ONLY', 'the benchmarks are not here')
      }
      const child = spawn(process.execPath, [...process.execArgv, main, ...args], { stdio: 'inherit' })
      session.signal.addEventListener('abort', () => child.kill('SIGINT'))
      const [code] = (await once(child, 'exit')) as [number | null]
      session.exitCode = code ?? 1
    })
}
