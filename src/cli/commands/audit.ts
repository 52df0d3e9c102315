import type { Command } from 'commander'
import { share, wholeNumber } from '../option-values.ts'
import { packageModule } from '../package-files.ts'
import type { Session } from '../session.ts'

/** What `apps/audit/explain` exports. */
interface ExplainModule {
  explain(
    api: { get<T>(path: string, query?: Record<string, string | number>): Promise<T> },
    id: string,
  ): Promise<Story>
}

/** What `apps/audit/send` exports. */
interface SendModule {
  sendTrades(api: SendApi, settings: SendOptions & Watch): Promise<SendReport>
  sendReplay(api: SendApi, settings: ReplayOptions & Watch & { file?: string }): Promise<SendReport>
}

interface SendApi {
  post<T>(path: string, query: Record<string, never>, body: string, contentType: string): Promise<T>
}

interface Watch {
  signal: AbortSignal
  progress: (report: SendReport) => void
}

interface ReplayOptions {
  speed: number
  loops: number
}

interface SendOptions {
  rate: number
  messages?: number
  seed: number
  overbought: number
  unrequested: number
  reordered: number
}

interface SendReport {
  accepted: number
  rejected: number
  seconds: number
}

interface Story {
  found: boolean
  sentences: string[]
  events: { time: string; what: string; shares: number; sum: number; id: string; stock: string }[]
}

export function define(command: Command, session: Session): void {
  command
    .command('explain')
    .description('the story of one order: what was requested, bought and reported, and why')
    .argument('<id>', 'of the order')
    .action((id: string) => explain(session, id))
  command
    .command('send')
    .description('send made-up trades to the running auditor, at a rate, until Ctrl-C')
    .option('--rate <messages>', 'messages a second', wholeNumber, 1000)
    .option('--messages <count>', 'stop after so many', wholeNumber)
    .option('--seed <number>', 'equal seeds give equal orders', wholeNumber, 1)
    .option('--overbought <share>', 'share of the orders that buy more than requested', share, 0.01)
    .option('--unrequested <share>', 'share of the orders whose request never comes', share, 0.001)
    .option('--reordered <share>', 'share of the orders whose request comes late', share, 0.05)
    .action((options: SendOptions) =>
      send(session, (module, watch) => module.sendTrades(session.api, { ...options, ...watch })),
    )
  command
    .command('replay')
    .description('send real trades to the running auditor, as orders, until Ctrl-C')
    .argument('[file]', 'gzipped CSV: ts_us,symbol,price,size (default: the sample)')
    .option('--speed <factor>', 'how many times faster than they happened', wholeNumber, 1000)
    .option('--loops <count>', 'how many times in a row', wholeNumber, 1)
    .action((file: string | undefined, options: ReplayOptions) =>
      send(session, (module, watch) =>
        module.sendReplay(session.api, { ...options, ...watch, ...(file === undefined ? {} : { file }) }),
      ),
    )
}

async function send(session: Session, start: (module: SendModule, watch: Watch) => Promise<SendReport>): Promise<void> {
  const { out, signal } = session
  const module = (await import(packageModule('apps/audit/send').href)) as SendModule
  const report = await start(module, {
    signal,
    progress: ({ accepted, seconds }) => out.progress(`${accepted} sent, ${Math.round(accepted / seconds)}/s`),
  })
  out.progress('')
  out.properties(report)
  if (report.rejected > 0) session.exitCode = 1
}

async function explain(session: Session, id: string): Promise<void> {
  const { api, out } = session
  const module = (await import(packageModule('apps/audit/explain').href)) as ExplainModule
  const story = await module.explain(api, id)
  if (!story.found) session.exitCode = 1
  if (out.json) {
    out.value(story)
    return
  }
  for (const sentence of story.sentences) out.text(sentence)
  if (story.events.length === 0) return
  const columns = [
    { header: 'TIME', cell: (event: Story['events'][number]) => event.time },
    { header: 'WHAT', cell: (event: Story['events'][number]) => event.what },
    { header: 'SHARES', cell: (event: Story['events'][number]) => event.shares, right: true },
    { header: 'BOUGHT', cell: (event: Story['events'][number]) => event.sum, right: true },
    { header: 'ID', cell: (event: Story['events'][number]) => event.id },
    { header: 'STOCK', cell: (event: Story['events'][number]) => event.stock },
  ]
  out.text('')
  out.rows(columns, story.events, '')
}
