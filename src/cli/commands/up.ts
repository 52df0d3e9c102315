import { existsSync, readdirSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { AldebaranError } from '../../errors.ts'
import type { ServeSettings } from '../../run.ts'
import type { Running } from '../../runtime/start.ts'
import { Interrupted, UsageError } from '../failure.ts'
import { givenLog, LOG_HELP } from '../log-option.ts'
import { durability, port, wholeNumber } from '../option-values.ts'
import { packageFile, packageModule } from '../package-files.ts'
import type { Session } from '../session.ts'

interface UpOptions extends Omit<ServeSettings, 'log' | 'speed'> {
  log?: string
  samples: boolean
}

interface ServeModule {
  serveApplication(options: ServeSettings): Promise<Running>
}

export function define(command: Command, session: Session): void {
  command
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <number>', 'where to listen; each further application takes the next port', port, 8000)
    .option('--log <location>', `of all applications: ${LOG_HELP}`)
    .option('--data <folder>', 'where to keep the data, a folder for each application', './data')
    .addOption(durability())
    .option('--workers <count>', 'threads of each application (default: one for each core but one)', wholeNumber)
    .option('--no-samples', 'without sample data')
    .action((options: UpOptions) => up(session, options))
}

async function up(session: Session, { log: text, samples, ...options }: UpOptions): Promise<void> {
  const names = applicationNames()
  if (names.length === 0) throw new AldebaranError('NOT_FOUND', 'there is no application here that can be started')
  const log = givenLog(text, session.surroundings.env)
  if (log?.kind === 'embedded' && names.length > 1) {
    throw new UsageError('several applications cannot share a folder: name a place for their folders with --data')
  }
  const shared: Partial<ServeSettings> = { ...(log !== undefined && { log }), ...(!samples && { speed: 0 }) }
  const started: Running[] = []
  try {
    for (const [i, name] of names.entries()) {
      const module = (await import(packageModule(`apps/${name}/serve`).href)) as ServeModule
      const port = options.port === 0 ? 0 : options.port + i
      const data = join(resolve(options.data), name)
      const { signal } = session
      const serving = module.serveApplication({ ...options, ...shared, port, data, signal })
      const running = await serving.catch(error => {
        throw signal.aborted ? new Interrupted() : error
      })
      started.push(running)
      announce(session, running)
      if (session.signal.aborted) throw new Interrupted()
    }
    await untilEnd(session, started)
  } finally {
    await Promise.all(started.map(running => running.stop()))
  }
}

/** Folders of `apps` with a `serve` module. */
function applicationNames(): string[] {
  const folder = fileURLToPath(packageFile('apps/'))
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(name => existsSync(join(folder, name, `serve${extname(import.meta.url)}`)))
    .sort()
}

/** Prints where an application is to be found. */
export function announce({ out }: Session, running: Running): void {
  const { url } = running
  const { name } = running.application
  if (out.json) {
    out.value({ application: name, url })
    return
  }
  const where = url === null ? 'runs without an API' : `runs at ${out.style('cyan', url)}`
  out.text(`${out.style('bold', name)} ${where}. Ctrl-C stops it.`)
}

/** Waits for Ctrl-C. Throws when an application cannot go on. */
export async function untilEnd({ signal }: Session, applications: readonly Running[]): Promise<void> {
  if (signal.aborted) return
  // A timer keeps the process alive even if the application has nothing that does.
  const alive = setInterval(() => {}, 1 << 30)
  const interrupted = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  const failure = await Promise.race([interrupted, ...applications.map(running => running.failed)])
  clearInterval(alive)
  if (failure !== undefined) throw failure
}
