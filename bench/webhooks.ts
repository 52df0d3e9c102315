/** The webhooks application: a burst against a plain client; --mode faults, hour, quarter, backlog: see docs/webhooks-bench.md. */
import { randomBytes } from 'node:crypto'
import { webhooksFromEnvironment } from '../apps/webhooks/environment.ts'
import { webhookRoutes } from '../apps/webhooks/routes.ts'
import { AldebaranError } from '../src/errors.ts'
import { type LogLocation, Producer, run } from '../src/index.ts'
import { CONNECTIONS, type MeasuredSite, measureDeliveries, RATE_OPTIONS } from './deliveries-rate.ts'
import { parseOptions } from './measure.ts'
import { measureBacklog } from './webhooks-backlog.ts'
import { measureFaults } from './webhooks-fault-run.ts'
import { measureHour } from './webhooks-hour.ts'
import { measureQuarter } from './webhooks-quarter.ts'

const ACCOUNT = 'measured'

const MODES: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  rate: async args => await measureDeliveries('webhooks', parseOptions(args, RATE_OPTIONS), begin),
  faults: measureFaults,
  hour: measureHour,
  quarter: measureQuarter,
  backlog: measureBacklog,
}

export async function bench(args: string[]): Promise<void> {
  const { mode, others } = splitMode(args)
  const measure = MODES[mode]
  if (measure === undefined) {
    throw new AldebaranError('OPTION_INVALID', `--mode is one of ${Object.keys(MODES).join(', ')}, not ${mode}`)
  }
  await measure(others)
}

/** Each mode has options of its own. */
function splitMode(args: readonly string[]): { mode: string; others: string[] } {
  const at = args.findIndex(arg => arg === '--mode' || arg.startsWith('--mode='))
  if (at < 0) return { mode: 'rate', others: [...args] }
  const inline = args[at]!.split('=')[1]
  return { mode: inline ?? args[at + 1] ?? '', others: args.toSpliced(at, inline === undefined ? 2 : 1) }
}

async function begin(receiver: string, log: LogLocation): Promise<MeasuredSite> {
  // Worker threads get it too.
  process.env.WEBHOOKS_KEY = randomBytes(32).toString('base64')
  process.env.WEBHOOKS_TRUSTED = receiver
  const webhooks = webhooksFromEnvironment(process.env)
  const running = await run(webhooks.application, {
    log,
    workers: 1,
    signals: false,
    http: { port: 0, console: false, routes: webhookRoutes(webhooks) },
    entry: new URL('../apps/webhooks/entry.ts', import.meta.url),
    logLevel: 'warn',
  })
  const path = `/webhooks/accounts/${ACCOUNT}/endpoints`
  for (const kind of ['hook', 'lat']) {
    const response = await fetch(running.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url: `${receiver}/${kind}`, types: [kind], concurrency: CONNECTIONS }),
    })
    if (!response.ok) throw new Error(await response.text())
    await response.body?.cancel()
  }
  const producer = new Producer(running.log)
  let sent = 0
  return {
    running,
    send(kind, body) {
      const headers = [
        { key: 'id', value: Buffer.from(`msg_${sent++}`) },
        { key: 'type', value: Buffer.from(kind) },
      ]
      producer.send(webhooks.events, ACCOUNT, body, { headers })
    },
    flush: () => producer.flush(),
  }
}
