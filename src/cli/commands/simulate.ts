import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { AldebaranError } from '../../errors.ts'
import { type SimulationSpec, simulate } from '../../testing/simulate.ts'
import { simulateSeeds } from '../../testing/simulate-seeds.ts'
import { wholeNumber } from '../option-values.ts'
import { packageModule } from '../package-files.ts'
import type { Session } from '../session.ts'

interface SimulateOptions {
  seeds: number
  from: number
  threads: number
  trace?: boolean
}

/** How many failing seeds are told one by one. */
const TOLD = 10

export function define(command: Command, session: Session): void {
  command
    .argument('<application>', 'audit, or a module that exports `simulation`')
    .option('--seeds <count>', 'how many seeds', wholeNumber, 1000)
    .option('--from <seed>', 'the first seed', wholeNumber, 1)
    .option('--threads <count>', 'threads', wholeNumber, availableParallelism())
    .option('--trace', 'print each event of the first seed')
    .action((application: string, options: SimulateOptions) => simulateApplication(session, application, options))
}

async function simulateApplication(session: Session, application: string, options: SimulateOptions): Promise<void> {
  const { out } = session
  const { seeds, from, threads } = options
  const module = moduleOf(application)
  if (options.trace === true) {
    const { simulation } = (await import(module.href)) as { simulation: SimulationSpec }
    const result = await simulate(simulation, { seed: from, trace: event => out.text(event) })
    out.value(result)
    session.exitCode = result.violations.length === 0 ? 0 : 1
    return
  }
  const begun = performance.now()
  const sum = await simulateSeeds({
    module,
    from,
    seeds,
    threads,
    signal: session.signal,
    progress: ({ seeds: done, failures }) => out.progress(`${done} of ${seeds} seeds, ${failures.length} failed`),
  })
  out.progress('')
  const seconds = Number(((performance.now() - begun) / 1000).toFixed(1))
  for (const { seed, violations } of sum.failures.slice(0, TOLD)) {
    out.note(`seed ${seed}: ${violations.slice(0, 3).join('; ')}`)
    out.note(`  again with: aldebaran simulate ${application} --from ${seed} --trace`)
  }
  out.properties({
    application,
    from,
    seeds: sum.seeds,
    failed: sum.failures.length,
    crashes: sum.crashes,
    steps: sum.steps,
    seconds,
  })
  session.exitCode = sum.failures.length === 0 && sum.seeds === seeds ? 0 : 1
}

function moduleOf(application: string): URL {
  const own = packageModule(`apps/${application}/simulation`)
  if (/^[a-z]+$/.test(application) && existsSync(fileURLToPath(own))) return own
  const url = new URL(application, `file://${process.cwd()}/`)
  if (!existsSync(fileURLToPath(url))) {
    throw new AldebaranError('NOT_FOUND', `there is no application or module '${application}' to simulate`)
  }
  return url
}
