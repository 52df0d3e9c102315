import type { HttpMetric } from './http/application-metrics.ts'
import type { HttpRoute } from './http/application-routes.ts'
import type { HttpSettings } from './http/serve.ts'
import type { Application } from './runtime/application.ts'
import { registerInWorker } from './runtime/find-application.ts'
import { embedded, type LogLocation } from './runtime/log-location.ts'
import type { LogLevel } from './runtime/logger.ts'
import { ProcessEnd } from './runtime/process-end.ts'
import { type Source, Sources } from './runtime/source.ts'
import { type Running, type StartSettings, start } from './runtime/start.ts'

export interface RunSettings extends StartSettings {
  /** API and console. Default: 127.0.0.1:8000; false: none. */
  http?: HttpSettings | false
  /** What brings records in from other systems. Default: none. */
  sources?: readonly Source[]
  /** Of the structured logs on stderr, where `report` is not given. Default: LOG_LEVEL, else 'info'. */
  logLevel?: LogLevel
  /**
   * SIGTERM and SIGINT finish what is at hand, commit, and end the process with code 0; a second one ends it at once,
   * and what was not committed is done again by the next start. The process also ends, with code 1 and the error on
   * stderr, when the log cannot go on. Default true.
   */
  signals?: boolean
  /** Stops it, as `stop` does; while it is not ready yet, `run` rejects with LOG_CLOSED then. */
  signal?: AbortSignal
}

/** What `aldebaran up` hands to `serveApplication`, which the `serve` module of an application exports. */
export interface ServeSettings {
  /** Folder of the log. */
  data: string
  /** Another log than that in the folder. */
  log?: LogLocation
  host: string
  port: number
  /** Default 'disk'. */
  durability?: 'process' | 'disk'
  workers?: number
  /** 0: no sample data. Else how fast it comes, if the application can tell. */
  speed?: number
  report?: NonNullable<RunSettings['report']>
  signal?: AbortSignal
}

/** What an application that is served has of its own. */
export interface ServedParts {
  /** The module that exports or starts the application, for the worker threads. */
  entry: string | URL
  /** Default: none but those that every application has. */
  routes?: readonly HttpRoute[]
  /** Default: none but those that every application has. */
  metrics?: readonly HttpMetric[]
  /** Default: none. */
  sources?: readonly Source[]
}

/**
 * How `serveApplication` runs its application: on the log that it was given, else on an embedded one in its folder.
 * Signals are left to whoever serves, for several applications are stopped together.
 */
export function runSettingsOf(settings: ServeSettings, { entry, routes, metrics, sources }: ServedParts): RunSettings {
  const { log, data, durability = 'disk', host, port, workers, report, signal } = settings
  return {
    signals: false,
    log: log ?? embedded(data, { durability }),
    http: { host, port, ...(routes !== undefined && { routes }), ...(metrics !== undefined && { metrics }) },
    entry,
    ...(sources !== undefined && { sources }),
    ...(workers !== undefined && { workers }),
    ...(report !== undefined && { report }),
    ...(signal !== undefined && { signal }),
  }
}

/**
 * Runs an application: its log, its workers, its API. Resolves when it is ready.
 *
 * Worker threads import the main module too (or `entry`), to build the same pipelines, and go no further than this
 * call. What comes before it happens in every thread; what must happen once comes after it.
 *
 * @throws AldebaranError what is wrong with the application, its log or its settings; nothing is left running then.
 */
export async function run(app: Application, settings: RunSettings): Promise<Running> {
  if (registerInWorker(app, settings)) return await new Promise<never>(() => {})
  const end = settings.signals === false ? null : new ProcessEnd()
  try {
    return await begin(app, settings, end)
  } catch (error) {
    if (end?.stopping) return await new Promise<never>(() => {})
    end?.forget()
    throw error
  }
}

async function begin(app: Application, settings: RunSettings, end: ProcessEnd | null): Promise<Running> {
  // Loaded here, like the server: worker threads import this module too.
  const { logLevelFrom, logReport } = await import('./runtime/logger.ts')
  const report = settings.report ?? logReport(app.name, settings.logLevel ?? logLevelFrom(process.env))
  const running = await start(app, { ...settings, report })
  try {
    if (settings.http !== false) {
      await listen(running, { report, ...settings.http })
    }
    const stop = (): void => void running.stop().catch(ignored)
    running.onStop(async () => settings.signal?.removeEventListener('abort', stop))
    const sources = new Sources(running, settings.sources ?? [], report)
    // From here on, for all that `stop` has to end is there.
    end?.watch(running)
    settings.signal?.addEventListener('abort', stop, { once: true })
    if (settings.signal?.aborted === true) stop()
    await running.ready()
    await sources.start()
    return running
  } catch (error) {
    await running.stop()
    throw error
  }
}

async function listen(running: Running, settings: HttpSettings): Promise<void> {
  // Loaded only when asked for: worker threads import this module too, and need no server.
  const { serve } = await import('./http/serve.ts')
  const server = await serve([running], settings)
  running.url = server.url
  running.onStop(() => server.close())
}

/** What goes wrong is told to whoever else stops it. */
function ignored(): void {}
