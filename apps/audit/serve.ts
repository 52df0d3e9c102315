import { extname } from 'node:path'
import { type Running, run, runSettingsOf, type ServeSettings } from 'aldebaran'
import { auditFromEnvironment } from './entry.ts'
import { replayInto } from './replay.ts'

/** Runs the auditor on the real trades that come with it. */
export async function serveApplication(settings: ServeSettings): Promise<Running> {
  const audit = await auditFromEnvironment(process.env)
  const entry = new URL(`./entry${extname(import.meta.url)}`, import.meta.url)
  const running = await run(audit.application, runSettingsOf(settings, { entry }))
  const speed = settings.speed ?? 2000
  if (speed > 0) {
    const stop = new AbortController()
    const replay = replayInto(running.log, audit, { speed, signal: stop.signal }).catch((error: unknown) => {
      // The auditor goes on without sample data.
      settings.report?.('error', 'the replay of the sample trades ended', { error: String(error) })
    })
    running.onStop(async () => {
      stop.abort()
      await replay
    })
  }
  return running
}
