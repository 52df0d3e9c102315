import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, extname, resolve } from 'node:path'
import { type Running, run, runSettingsOf, type ServeSettings } from 'aldebaran'
import { DemoReceivers } from './demo-receivers.ts'
import { webhooksFromEnvironment } from './environment.ts'
import { webhookMetrics } from './metrics.ts'
import { outboxFromEnvironment } from './outbox.ts'
import { webhookRoutes } from './routes.ts'
import { runSamples } from './samples.ts'
import { newKey } from './sealing.ts'

const EVENTS_PER_SECOND = 10

/**
 * Runs the notifier, with real events that come with it, and receivers of them on loopback.
 * @throws AldebaranError OPTION_INVALID, and what `run` throws
 */
export async function serveApplication(settings: ServeSettings): Promise<Running> {
  const { WEBHOOKS_KEY: key, WEBHOOKS_TRUSTED: trusted } = process.env
  const restore = () => {
    setVariable('WEBHOOKS_KEY', key)
    setVariable('WEBHOOKS_TRUSTED', trusted)
  }
  const receivers = settings.speed === 0 ? null : await DemoReceivers.open()
  try {
    // Worker threads get the environment as it is when they are started, also those that take the place of others.
    if (!key) process.env.WEBHOOKS_KEY = ownKey(settings)
    if (receivers !== null) {
      process.env.WEBHOOKS_TRUSTED = [...(trusted ? [trusted] : []), ...receivers.origins].join(',')
    }
    const running = await serveWith(settings, receivers)
    running.onStop(async () => restore())
    return running
  } catch (error) {
    restore()
    await receivers?.close()
    throw error
  }
}

async function serveWith(settings: ServeSettings, receivers: DemoReceivers | null): Promise<Running> {
  const webhooks = webhooksFromEnvironment(process.env)
  const parts = {
    entry: new URL(`./entry${extname(import.meta.url)}`, import.meta.url),
    routes: webhookRoutes(webhooks),
    metrics: webhookMetrics,
    sources: outboxFromEnvironment(webhooks, process.env),
  }
  const running = await run(webhooks.application, runSettingsOf(settings, parts))
  if (receivers === null) return running
  const stop = new AbortController()
  const { origins } = receivers
  const samples = runSamples(webhooks, running, { origins, rate: EVENTS_PER_SECOND, signal: stop.signal }).catch(
    (error: unknown) => {
      // The notifier goes on without sample data.
      settings.report?.('error', 'the sample events ended', { error: String(error) })
    },
  )
  running.onStop(async () => {
    stop.abort()
    await samples
    await receivers.close()
  })
  return running
}

/** The key, beside the folder of the log and not in it: a copy of one is of no use without the other. Made with the first start. */
function ownKey({ data, report }: ServeSettings): string {
  const file = `${resolve(data)}.key`
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  mkdirSync(dirname(file), { recursive: true })
  const key = newKey()
  writeFileSync(file, `${key}\n`, { mode: 0o600, flag: 'wx' })
  const message = 'WEBHOOKS_KEY is not set: a key was made, which opens all secrets. Keep it, and give it to all nodes'
  if (report === undefined) process.stderr.write(`webhooks: ${message}: ${file}\n`)
  else report('warn', message, { file })
  return key
}

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}
