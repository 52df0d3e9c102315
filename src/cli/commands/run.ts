import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import { AldebaranError } from '../../errors.ts'
import { serve } from '../../http/serve.ts'
import type { RunSettings } from '../../run.ts'
import { captureApplication } from '../../runtime/find-application.ts'
import { embedded, type LogLocation } from '../../runtime/log-location.ts'
import { Sources } from '../../runtime/source.ts'
import { start } from '../../runtime/start.ts'
import type { Report } from '../../runtime/worker-host.ts'
import { UsageError } from '../failure.ts'
import { givenLog, LOG_HELP } from '../log-option.ts'
import { durability, port, wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'
import { announce, untilEnd } from './up.ts'

interface RunOptions {
  log?: string
  data?: string
  durability?: 'process' | 'disk'
  workers?: number
  memory?: string
  host?: string
  port?: number
  http: boolean
}

export function define(command: Command, session: Session): void {
  command
    .argument('<module>', 'a file that exports an application, or starts one with run()')
    .option('--log <location>', `${LOG_HELP}; else what the module says, or ./data`)
    .option('--data <folder>', 'where to keep the data (default: what the module says, or ./data)')
    .addOption(durability())
    .option('--workers <count>', 'threads (default: what the module says, or one for each core but one)', wholeNumber)
    .option('--memory <size>', "of all tables and buffers (default: what the module says, or '1GB')")
    .option('--host <address>', 'where to listen (default: what the module says, or 127.0.0.1)')
    .option('--port <number>', 'where to listen (default: what the module says, or 8000)', port)
    .option('--no-http', 'no API and no console')
    .action((module: string, options: RunOptions) => run(session, module, options))
}

async function run(session: Session, module: string, options: RunOptions): Promise<void> {
  const path = resolve(module)
  if (!existsSync(path)) throw new AldebaranError('NOT_FOUND', `there is no module ${path}`, { module: path })
  const entry = pathToFileURL(path).href
  const { application, settings } = await captureApplication(entry)
  const own = (settings ?? {}) as Partial<RunSettings>
  const report = own.report ?? reportOn(session)
  const running = await start(application, {
    ...own,
    log: logOf(session, options, own.log),
    entry,
    report,
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
  })
  try {
    const http = options.http ? (own.http ?? {}) : false
    const server =
      http === false
        ? null
        : await serve([running], {
            ...http,
            ...(options.host === undefined ? {} : { host: options.host }),
            ...(options.port === undefined ? {} : { port: options.port }),
          })
    running.url = server?.url ?? null
    running.onStop(async () => server?.close())
    const sources = new Sources(running, own.sources ?? [], report)
    await Promise.race([running.ready().then(() => sources.start()), untilEnd(session, [running])])
    if (!session.signal.aborted) announce(session, running)
    await untilEnd(session, [running])
  } finally {
    await running.stop()
  }
}

/** What the command line says goes before the environment, and that before what the module says. */
function logOf({ surroundings }: Session, options: RunOptions, own: LogLocation | undefined): LogLocation {
  if (options.log !== undefined && options.data !== undefined) throw new UsageError('--log or --data, not both')
  const given = options.data === undefined ? givenLog(options.log, surroundings.env) : embedded(options.data)
  const log = given ?? own ?? embedded('./data')
  if (log.kind === 'kafka') return log
  const size = own?.kind === 'embedded' ? { maxBytes: own.maxBytes } : {}
  const durability = options.durability ?? (own?.kind === 'embedded' ? own.durability : 'disk')
  return { ...log, ...size, durability }
}

function reportOn({ out }: Session): Report {
  return (level, message, details) => {
    if (level !== 'info') out.note(`${level}: ${message} ${JSON.stringify(details)}`)
  }
}
