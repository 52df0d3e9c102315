/** A receiver of webhooks to aim anything at: fast, slow, hanging, failing, resetting, lying … until Ctrl-C. */
import { once } from 'node:events'
import { AldebaranError } from '../src/errors.ts'
import { parseOptions, result } from './measure.ts'
import { FAULTS } from './webhooks-faults.ts'
import { Histogram } from './webhooks-ledger.ts'
import { WebhookReceiver } from './webhooks-receiver.ts'

export async function bench(args: string[]): Promise<void> {
  const options = parseOptions(args, {
    port: { kind: 'number', default: 9900, min: 0, max: 65_535 },
    deadPort: { kind: 'number', default: 0, min: 0, max: 65_535 },
    faults: { kind: 'text', default: 'all' },
    every: { kind: 'number', default: 5, min: 0.1 },
  })
  const names = Object.keys(FAULTS)
  const faults = options.faults === 'all' ? names : options.faults.split(',').map(name => name.trim())
  const wrong = faults.find(name => !names.includes(name))
  if (wrong !== undefined) {
    throw new AldebaranError('OPTION_INVALID', `--faults: there is no ${wrong}, only ${names.join(', ')}`)
  }
  const { port, deadPort } = options
  const receiver = await WebhookReceiver.open({ port, deadPort, stride: 1, faults })
  const url = `http://127.0.0.1:${receiver.port}`
  for (const fault of faults) result({ bench: 'receiver', url: `${url}/${fault}`, about: FAULTS[fault]!.about })
  result({ bench: 'receiver', url: `http://127.0.0.1:${receiver.deadPort}/`, about: 'refuses connections' })
  const told = new Map<string, number>()
  const tell = (isLast: boolean): void => {
    for (const { path, requests, taken, duplicates, early, times } of receiver.report(false)) {
      if (!isLast && told.get(path) === requests) continue
      told.set(path, requests)
      const all = new Histogram()
      all.merge(times)
      const ms = (share: number): number => Number(all.percentile(share).toFixed(2))
      const late = { p50_ms: ms(0.5), p99_ms: ms(0.99), max_ms: Number(all.max.toFixed(2)) }
      result({ bench: 'receiver', path, requests, taken, duplicates, early, ...late })
    }
  }
  const timer = setInterval(tell, options.every * 1000, false)
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  clearInterval(timer)
  tell(true)
  await receiver.close()
}
